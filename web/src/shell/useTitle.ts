import { useEffect } from "react";

const NAME = "Inglenook";

/** Name the browser's tab after the page that is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${NAME}` : NAME;
    return () => {
      document.title = NAME;
    };
  }, [title]);
}
