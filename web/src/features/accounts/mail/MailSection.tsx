import { useLingui } from "@lingui/react/macro";

import { ErrorState } from "@/ui/ErrorState";
import { Skeleton } from "@/ui/Skeleton";

import { useServerSettings } from "../serverSettings";
import { SettingsForm } from "../SettingsForm";
import { MailTest } from "./MailTest";
import { WaitingMail } from "./WaitingMail";

/** The sections of the server's settings that are shown here and not among the others. */
export const MAIL_SECTIONS: readonly string[] = ["site", "mail"];

/** Admin > E-mail: where links lead, how letters are sent, whether that works, and what waits. */
export function MailSection() {
  const { i18n } = useLingui();
  const settings = useServerSettings(i18n.locale);
  if (settings.isError) {
    return <ErrorState error={settings.error} retry={() => void settings.refetch()} />;
  }
  if (!settings.data) return <Skeleton lines={6} />;
  const shown = MAIL_SECTIONS.flatMap((name) => settings.data.filter(({ section }) => section === name));
  const mail = shown.find(({ section }) => section === "mail")?.settings;
  return (
    <div className="flex flex-col gap-10">
      {shown.map((section) => (
        <SettingsForm key={`${section.section} ${section.updated_at ?? 0}`} section={section} />
      ))}
      <MailTest ready={Boolean(mail?.host && mail.sender)} />
      <WaitingMail />
    </div>
  );
}
