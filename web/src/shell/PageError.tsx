import type { ErrorComponentProps } from "@tanstack/react-router";

import { ErrorState } from "@/ui/ErrorState";

/** What stands in for a page that could not be drawn. */
export function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <div className="mx-auto max-w-measure px-4 pt-16">
      <ErrorState error={error} retry={reset} />
    </div>
  );
}
