import { useLingui } from "@lingui/react/macro";

import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { MAIL_SECTIONS } from "./mail/MailSection";
import { useServerSettings } from "./serverSettings";
import { SettingsForm } from "./SettingsForm";

/** Admin > Server: every section that a room of the server declares and no page has for itself, drawn from its schema. */
export function ServerSection() {
  const { i18n } = useLingui();
  const settings = useServerSettings(i18n.locale);
  if (settings.isError) {
    return <ErrorState error={settings.error} retry={() => void settings.refetch()} />;
  }
  if (!settings.data) return <Skeleton lines={6} />;
  return (
    <div className="flex flex-col gap-10">
      {settings.data
        .filter(({ section }) => !MAIL_SECTIONS.includes(section))
        .map((section) => (
          <SettingsForm key={`${section.section} ${section.updated_at ?? 0}`} section={section} />
        ))}
    </div>
  );
}
