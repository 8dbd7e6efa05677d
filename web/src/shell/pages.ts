import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { Cpu, type LucideIcon, MessageCircle, Settings, ShieldCheck } from "lucide-react";

import { useIsAdmin } from "@/features/accounts/session";

export interface PageLink {
  to: "/" | "/models" | "/admin" | "/settings";
  name: MessageDescriptor;
  icon: LucideIcon;
  /** Whether an address belongs to the page. */
  holds: (path: string) => boolean;
  /** Whether only administrators may see it. */
  admin?: true;
}

const PAGES: readonly PageLink[] = [
  { to: "/", name: msg`Chat`, icon: MessageCircle, holds: (path) => path === "/" || path.startsWith("/c/") },
  { to: "/models", name: msg`Models`, icon: Cpu, holds: (path) => path.startsWith("/models") },
  {
    to: "/admin",
    name: msg`Admin`,
    icon: ShieldCheck,
    holds: (path) => path.startsWith("/admin") || path.startsWith("/teams"),
    admin: true,
  },
  { to: "/settings", name: msg`Settings`, icon: Settings, holds: (path) => path.startsWith("/settings") },
];

/** The pages of the house that the person signed in may see, in the order of the navigation. */
export function usePages(): readonly PageLink[] {
  const isAdmin = useIsAdmin();
  return PAGES.filter(({ admin }) => isAdmin || !admin);
}
