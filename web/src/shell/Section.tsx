import { type ReactNode, useId } from "react";

/** A part of a page under its own heading. */
export function Section({
  title,
  intro,
  children,
}: {
  title: ReactNode;
  intro?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="flex flex-col gap-3">
      <div>
        <h2 id={id} className="text-lg font-semibold">
          {title}
        </h2>
        {intro ? <p className="mt-1 max-w-measure text-muted">{intro}</p> : null}
      </div>
      {children}
    </section>
  );
}
