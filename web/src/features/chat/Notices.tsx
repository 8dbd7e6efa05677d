import { Plural, Trans } from "@lingui/react/macro";

import { number } from "@/i18n/format";
import { Notice } from "@/ui/Notice";

import type { AnswerNotice } from "./answer";

/** What one should know of an answer: above all, that the model did not see everything. */
export function Notices({ notices }: { notices: readonly AnswerNotice[] }) {
  return notices.map((notice, index) => (
    <Notice key={index} look="warning" className="mb-3">
      {notice.kind === "truncated" ? <Truncated notice={notice} /> : notice.message}
    </Notice>
  ));
}

function Truncated({ notice: { details = {}, message } }: { notice: AnswerNotice }) {
  const { dropped_messages: dropped, context_length: context, prompt_tokens: prompt } = details;
  if (typeof dropped !== "number" || typeof context !== "number" || typeof prompt !== "number")
    return message;
  return (
    <Trans>
      This conversation is longer than the model can read: {number(prompt)} tokens against {number(context)}.
      It answered without <Plural value={dropped} one="the oldest message" other="the # oldest messages" />.
    </Trans>
  );
}
