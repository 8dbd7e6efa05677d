import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";

/**
 * What the server's error codes mean, for readers of other languages than the server's English.
 *
 * `whole`: it says it all. Otherwise the server's own words hold facts (a name, a number) and follow, unless the error's
 * details have the values that `exactly` needs to say it all.
 */
export const PROBLEMS: Readonly<
  Record<
    string,
    {
      says: MessageDescriptor;
      whole?: true;
      exactly?: { says: MessageDescriptor; needs: readonly string[] };
    }
  >
> = {
  wrong_password: { says: msg`The name or the password is wrong.`, whole: true },
  account_disabled: { says: msg`This account is disabled; ask an administrator.`, whole: true },
  last_admin: { says: msg`This is the only administrator; make somebody else one first.`, whole: true },
  link_spent: {
    says: msg`This link was used already, or has run out; ask for a new one.`,
    whole: true,
  },
  mail_failed: { says: msg`The e-mail could not be sent.` },
  setup_done: { says: msg`The server is set up already; sign in.`, whole: true },
  wrong_setup_token: {
    says: msg`The set-up token is wrong; open the address that the terminal printed when the server started.`,
    whole: true,
  },
  unauthenticated: { says: msg`Your session has ended; sign in again.`, whole: true },
  name_taken: { says: msg`The name is taken.` },
  bad_input: { says: msg`The input is not valid.` },
  conflict: { says: msg`This is not possible right now.` },
  forbidden: { says: msg`You may not do this; ask an administrator.` },
  not_found: { says: msg`There is no such thing any more.` },
  call_stopped: { says: msg`The call was stopped.` },
  model_not_found: { says: msg`There is no such model.` },
  invalid_model_name: { says: msg`No model can have that name.` },
  not_capable: { says: msg`The model cannot do this.` },
  cannot_carry: { says: msg`This model does not know one of the settings.` },
  context_too_long: {
    says: msg`This is longer than the model can read.`,
    exactly: {
      says: msg({
        message:
          "This is too long for the model: {prompt_tokens} tokens, and it can read {context_length}. Shorten it, or choose a model with a longer context.",
      }),
      needs: ["prompt_tokens", "context_length"],
    },
  },
  content_refused: { says: msg`The provider’s rules do not allow this.` },
  provider_key_refused: {
    says: msg`The provider does not take our key; an administrator can set another one.`,
  },
  provider_out_of_credit: { says: msg`The provider wants to be paid first.` },
  bad_model_file: { says: msg`The model’s file cannot be used.` },
  model_failed: { says: msg`The model’s process failed; try again.` },
  broken_model: { says: msg`A file of this model is missing or incomplete; get it again.` },
  pull_failed: { says: msg`The download failed.` },
  wrong_checksum: { says: msg`The download is damaged and was thrown away.` },
  disk_full: { says: msg`The disk is full.` },
  budget_exceeded: { says: msg`The budget does not suffice.` },
  rate_limited: { says: msg`A limit is reached; try again shortly.` },
  model_unpriced: {
    says: msg`What this model costs is not known, and your calls are on a budget; ask an administrator.`,
    whole: true,
  },
  too_large: { says: msg`This is too large.` },
  too_many: { says: msg`Too many attempts; wait a little.` },
  unavailable: { says: msg`The server is busy; try again shortly.` },
  upstream_failed: { says: msg`The provider failed to answer.` },
  upstream_timeout: { says: msg`The provider did not answer in time.` },
  internal: { says: msg`The server made a mistake; its log says more.` },
};
