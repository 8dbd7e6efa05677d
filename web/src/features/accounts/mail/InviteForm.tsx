import { plural } from "@lingui/core/macro";
import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { GroupInfo } from "@/api/types";
import { LANGUAGES } from "@/i18n";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { SelectField } from "@/ui/SelectField";
import { TextField } from "@/ui/TextField";

import { type Role, RoleField } from "../RoleField";
import { sessionQuery } from "../session";
import { InvitationMade } from "./InvitationMade";
import { useInvite } from "./mail";

const DAYS = [1, 7, 30];

/** Invites somebody: by a letter where the server sends them, and always by a link to hand on. */
export function InviteForm({ groups, onDone }: { groups: readonly GroupInfo[]; onDone: () => void }) {
  const { t, i18n } = useLingui();
  const { data: session } = useQuery(sessionQuery);
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("member");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [days, setDays] = useState(7);
  const [language, setLanguage] = useState(i18n.locale);
  const invite = useInvite();
  if (invite.data) return <InvitationMade made={invite.data} onDone={onDone} />;
  const aboutEmail = invite.error instanceof ApiError && invite.error.field === "email";
  const error = invite.isError ? explain(invite.error) : undefined;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    invite.mutate({ email: email.trim() || null, role, groups: [...chosen], days, language });
  };
  const toggle = (id: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`E-mail address`}
        hint={
          session?.resets_by_mail
            ? t`The invitation goes there. Without one you get a link to hand on.`
            : t`You get a link to hand on: this server sends no e-mails yet.`
        }
        error={aboutEmail ? error : undefined}
        type="email"
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={email}
        onChange={(event) => setEmail(event.target.value)}
      />
      <RoleField value={role} onChange={setRole} />
      {groups.length === 0 ? null : (
        <fieldset>
          <legend className="text-sm font-medium">
            <Trans>Groups</Trans>
          </legend>
          <ul className="mt-1 max-h-40 overflow-y-auto border-y border-line">
            {groups.map((group) => (
              <li key={group.id}>
                <label className="flex min-h-9 items-center gap-3 rounded px-2 hover:bg-hover">
                  <input
                    type="checkbox"
                    className="size-4 accent-ember"
                    checked={chosen.has(group.id)}
                    onChange={({ target }) => toggle(group.id, target.checked)}
                  />
                  {group.name}
                </label>
              </li>
            ))}
          </ul>
        </fieldset>
      )}
      <div className="grid gap-5 sm:grid-cols-2">
        <SelectField
          label={t`The link holds`}
          value={days}
          onChange={(event) => setDays(Number(event.target.value))}
        >
          {DAYS.map((number) => (
            <option key={number} value={number}>
              {t`${plural(number, { one: "# day", other: "# days" })}`}
            </option>
          ))}
        </SelectField>
        <SelectField
          label={t`Language of the letter`}
          value={language}
          onChange={(event) => setLanguage(event.target.value)}
        >
          {Object.entries(LANGUAGES).map(([code, own]) => (
            <option key={code} value={code} lang={code}>
              {own}
            </option>
          ))}
        </SelectField>
      </div>
      {error && !aboutEmail ? <Notice look="error">{error}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={invite.isPending}>
          <Trans>Invite</Trans>
        </Button>
      </div>
    </form>
  );
}
