import { Trans } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import type { Message } from "@/api/types";
import { Button } from "@/ui/Button";
import { inWords } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { toastError } from "@/ui/toasts";

import { goOn, regenerate } from "./actions";

/** What a limit refused. */
const LIMITED: ReadonlySet<string> = new Set(["budget_exceeded", "rate_limited", "model_unpriced"]);

/** Why an answer ended before its end, and what one can do about it. */
export function AnswerEnd({ message, last }: { message: Message; last: boolean }) {
  // Only the last answer can go on: what follows an earlier one builds on it as it is.
  const continued = last ? (
    <Button small onClick={() => void goOn(message).catch(toastError)}>
      <Trans>Continue</Trans>
    </Button>
  ) : null;
  const again = (
    <Button small onClick={() => void regenerate(message).catch(toastError)}>
      <Trans>Try again</Trans>
    </Button>
  );
  const end = (look: "info" | "error", words: ReactNode, action: ReactNode) => (
    <Notice look={look} className="mt-3" action={action}>
      {words}
    </Notice>
  );
  switch (message.status) {
    case "failed":
      return end(
        "error",
        message.error ? (
          <>
            {inWords({ message: message.error, code: message.error_code, details: message.error_details })}
            {LIMITED.has(message.error_code ?? "") ? (
              <>
                {" "}
                <Link to="/settings/$section" params={{ section: "limits" }} className="underline">
                  <Trans>What you may still use</Trans>
                </Link>
              </>
            ) : null}
          </>
        ) : (
          <Trans>The answer failed.</Trans>
        ),
        message.text ? continued : again,
      );
    case "interrupted":
      return end(
        "info",
        <Trans>The server stopped while it wrote this. What had arrived is kept.</Trans>,
        continued,
      );
    case "stopped":
      return end("info", <Trans>You stopped this answer.</Trans>, message.text ? continued : again);
    default:
      return message.finish_reason === "length"
        ? end("info", <Trans>The answer reached its longest length.</Trans>, continued)
        : null;
  }
}
