import { useLingui } from "@lingui/react/macro";

import type { Day } from "./days";

export function DayHeading({ day }: { day: Day }) {
  const { t, i18n } = useLingui();
  const name = () => {
    switch (day) {
      case "today":
        return t`Today`;
      case "yesterday":
        return t`Yesterday`;
      case "week":
        return t`Last 7 days`;
      case "month":
        return t`Last 30 days`;
      default: {
        const [year, month] = day.split("-").map(Number);
        return new Intl.DateTimeFormat(i18n.locale, { year: "numeric", month: "long" }).format(
          new Date(year ?? 0, (month ?? 1) - 1),
        );
      }
    }
  };
  return <h2 className="px-2 pt-4 pb-1 text-xs font-medium text-muted">{name()}</h2>;
}
