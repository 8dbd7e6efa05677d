import { useLingui } from "@lingui/react/macro";

import type { LimitsInfo } from "@/api/types";

import { LimitBars } from "./LimitBars";

/** Limits one under the other, narrowest first, each with whose they are. */
export function Standing({ limits }: { limits: readonly LimitsInfo[] }) {
  const title = useSubjectTitle();
  return (
    <ul className="flex flex-col gap-5">
      {limits.map((one) => (
        <li key={`${one.subject_kind} ${one.subject_id}`} className="flex flex-col gap-2">
          <p className="text-sm font-medium">{title(one)}</p>
          <LimitBars limits={one} columns />
        </li>
      ))}
    </ul>
  );
}

/** Whose limits they are, in words. */
export function useSubjectTitle(): (one: LimitsInfo) => string {
  const { t } = useLingui();
  return ({ subject_kind, name, own }) => {
    switch (subject_kind) {
      case "key":
        return t`The key ${name}`;
      case "user":
        return own ? t`${name}, for themselves` : t`${name}, as each user`;
      case "group":
        return t`The team ${name}, all together`;
      case "everyone":
        return t`Everybody here together`;
      case "default":
        return t`Each user without limits of their own`;
    }
  };
}
