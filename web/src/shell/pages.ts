import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { Cpu, type LucideIcon, MessageCircle, Settings } from "lucide-react";

export interface PageLink {
  to: "/" | "/models" | "/settings";
  name: MessageDescriptor;
  icon: LucideIcon;
  /** Whether an address belongs to the page. */
  holds: (path: string) => boolean;
}

/** The pages of the house, in the order of its navigation. */
export const PAGES: readonly PageLink[] = [
  { to: "/", name: msg`Chat`, icon: MessageCircle, holds: (path) => path === "/" || path.startsWith("/c/") },
  { to: "/models", name: msg`Models`, icon: Cpu, holds: (path) => path.startsWith("/models") },
  { to: "/settings", name: msg`Settings`, icon: Settings, holds: (path) => path.startsWith("/settings") },
];
