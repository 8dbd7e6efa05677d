import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import type { ComponentType } from "react";

import { ProvidersSection } from "@/features/models/ProvidersSection";
import { UsageSection } from "@/features/usage/UsageSection";

import { KeysSection } from "./KeysSection";
import { PeopleSection } from "./PeopleSection";
import { ProfileSection } from "./ProfileSection";
import { ServerSection } from "./ServerSection";

export interface SettingsSection {
  id: string;
  name: MessageDescriptor;
  body: ComponentType;
  admin?: true;
}

const FIRST: SettingsSection = { id: "profile", name: msg`Profile`, body: ProfileSection };
const OTHERS: readonly SettingsSection[] = [
  { id: "keys", name: msg`API keys`, body: KeysSection },
  { id: "usage", name: msg`Usage`, body: UsageSection },
  { id: "providers", name: msg`Providers`, body: ProvidersSection, admin: true },
  { id: "people", name: msg`People`, body: PeopleSection, admin: true },
  { id: "server", name: msg`Server`, body: ServerSection, admin: true },
];

/** The sections of the settings that somebody may see; there is always the profile. */
export function sectionsFor(isAdmin: boolean): [SettingsSection, ...SettingsSection[]] {
  return [FIRST, ...OTHERS.filter(({ admin }) => isAdmin || !admin)];
}
