import { createRootRoute, createRoute, createRouter, Outlet, redirect } from "@tanstack/react-router";
import type { ComponentType } from "react";

import { BASE_PATH } from "@/api/base";
import { queryClient } from "@/api/queryClient";
import { LoginPage } from "@/features/accounts/LoginPage";
import { applyProfile } from "@/features/accounts/profile";
import { sessionQuery } from "@/features/accounts/session";
import { loadConversation } from "@/features/conversations/queries";
import { loadAllTexts } from "@/i18n";
import { lazyPage } from "@/shell/lazyPage";
import { NotFound } from "@/shell/NotFound";
import { PageError } from "@/shell/PageError";

/** A page whose texts are not among those that are loaded first. */
function furtherPage(load: () => Promise<ComponentType>) {
  return lazyPage(async () => (await Promise.all([load(), loadAllTexts()]))[0]);
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

/** Everything for which one must be signed in. */
const frame = createRoute({
  getParentRoute: () => root,
  id: "frame",
  component: lazyPage(() => import("@/shell/Frame").then(({ Frame }) => Frame)),
  errorComponent: PageError,
  beforeLoad: async ({ location }) => {
    const { user, needs_setup } = await queryClient.query({ ...sessionQuery, staleTime: "static" });
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- how the router redirects
    if (needs_setup) throw redirect({ to: "/setup", replace: true });
    if (!user) {
      const next = location.pathname === "/" ? undefined : location.pathname;
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      throw redirect({ to: "/login", search: next ? { next } : {}, replace: true });
    }
    await applyProfile(user);
  },
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  // Only addresses of this page: another site must not send people on from here.
  validateSearch: ({ next }: Record<string, unknown>): { next?: string } =>
    typeof next === "string" && /^\/(?!\/)/.test(next) ? { next } : {},
  component: LoginPage,
});

const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  beforeLoad: async () => {
    const { needs_setup } = await queryClient.query({ ...sessionQuery, staleTime: "static" });
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (!needs_setup) throw redirect({ to: "/", replace: true });
  },
  component: furtherPage(() => import("@/features/accounts/SetupPage").then(({ SetupPage }) => SetupPage)),
  errorComponent: PageError,
});

/** Pages of links in letters, for those who are not in yet. */
const visiting = [
  createRoute({
    getParentRoute: () => root,
    path: "/invite",
    component: furtherPage(() =>
      import("@/features/accounts/mail/InvitePage").then(({ InvitePage }) => InvitePage),
    ),
    errorComponent: PageError,
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/forgot",
    component: furtherPage(() =>
      import("@/features/accounts/mail/ForgotPage").then(({ ForgotPage }) => ForgotPage),
    ),
    errorComponent: PageError,
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/reset",
    component: furtherPage(() =>
      import("@/features/accounts/mail/ResetPage").then(({ ResetPage }) => ResetPage),
    ),
    errorComponent: PageError,
  }),
] as const;

const chat = createRoute({
  getParentRoute: () => frame,
  path: "/",
  component: lazyPage(() => import("@/features/chat/ChatPage").then(({ ChatPage }) => ChatPage)),
});

const conversation = createRoute({
  getParentRoute: () => frame,
  path: "/c/$id",
  loader: ({ params, preload }) => {
    if (!preload) loadConversation(params.id);
  },
  component: lazyPage(() =>
    import("@/features/chat/ConversationPage").then(({ ConversationPage }) => ConversationPage),
  ),
});

const ModelsPage = furtherPage(() =>
  import("@/features/models/ModelsPage").then(({ ModelsPage }) => ModelsPage),
);
const AdminPage = furtherPage(() =>
  import("@/features/accounts/AdminPage").then(({ AdminPage }) => AdminPage),
);
const SettingsPage = furtherPage(() =>
  import("@/features/accounts/SettingsPage").then(({ SettingsPage }) => SettingsPage),
);
const sectioned = [
  createRoute({ getParentRoute: () => frame, path: "/models", component: ModelsPage }),
  createRoute({ getParentRoute: () => frame, path: "/models/$section", component: ModelsPage }),
  createRoute({
    getParentRoute: () => frame,
    path: "/models/routes/$routeId",
    component: furtherPage(() => import("@/features/routes/RoutePage").then(({ RoutePage }) => RoutePage)),
  }),
  createRoute({ getParentRoute: () => frame, path: "/admin", component: AdminPage }),
  createRoute({ getParentRoute: () => frame, path: "/admin/$section", component: AdminPage }),
  createRoute({
    getParentRoute: () => frame,
    path: "/teams/$teamId",
    component: furtherPage(() => import("@/features/accounts/TeamPage").then(({ TeamPage }) => TeamPage)),
  }),
  createRoute({ getParentRoute: () => frame, path: "/settings", component: SettingsPage }),
  createRoute({ getParentRoute: () => frame, path: "/settings/$section", component: SettingsPage }),
] as const;

export const router = createRouter({
  routeTree: root.addChildren([
    frame.addChildren([chat, conversation, ...sectioned]),
    login,
    setup,
    ...visiting,
  ]),
  basepath: BASE_PATH,
  defaultPreload: "intent",
  defaultErrorComponent: PageError,
});

/**
 * Load what the address of the browser shows. Code and data of the page are asked for beside the session, not after it.
 */
export async function loadFirstPage(): Promise<void> {
  const loaded = router.load();
  const [routes, { id }] = router.getMatchedRoutes(router.latestLocation.pathname);
  for (const { options } of routes) void options.component?.preload?.()?.catch(() => undefined);
  if (id) loadConversation(id);
  await loaded;
}

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
