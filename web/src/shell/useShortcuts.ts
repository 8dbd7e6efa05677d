import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";

import { useWindows } from "./windows";

/** Whether a key press belongs to what is being written. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null
  );
}

/** The keys that work on every page; `ShortcutSheet` lists them. */
export function useShortcuts(): void {
  const navigate = useNavigate();
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { open, close, window: shown } = useWindows.getState();
      const command = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (command && !event.shiftKey && key === "k") {
        event.preventDefault();
        if (shown === "palette") close();
        else open("palette");
      } else if (command && event.shiftKey && key === "o") {
        event.preventDefault();
        close();
        void navigate({ to: "/" });
      } else if (event.key === "?" && !command && !isTyping(event.target)) {
        event.preventDefault();
        open("shortcuts");
      } else if (event.key === "/" && !command && !isTyping(event.target)) {
        const composer = document.querySelector<HTMLElement>("[data-composer]");
        if (composer && !document.querySelector("[role=dialog], [role=alertdialog]")) {
          event.preventDefault();
          composer.focus();
        }
      }
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate]);
}
