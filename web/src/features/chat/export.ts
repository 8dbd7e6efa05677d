import type { Message } from "@/api/types";
import type { Step } from "@/features/conversations/tree";

/** The branch that is shown, as one Markdown text. */
export function toMarkdown(title: string, steps: readonly Step<Message>[]): string {
  const parts = steps.map(({ message }) => {
    const who = message.role === "user" ? "**You**" : `**${message.model ?? "Assistant"}**`;
    return `${who}\n\n${message.text.trim()}`;
  });
  return [...(title ? [`# ${title}`] : []), ...parts].join("\n\n") + "\n";
}
