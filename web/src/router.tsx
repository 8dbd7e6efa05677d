import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";

import { BASE_PATH } from "@/api/base";
import { queryClient } from "@/api/queryClient";
import { applyProfile } from "@/features/accounts/profile";
import { sessionQuery } from "@/features/accounts/session";
import { Frame } from "@/shell/Frame";
import { NotFound } from "@/shell/NotFound";
import { PageError } from "@/shell/PageError";

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

/** Everything for which one must be signed in. */
const frame = createRoute({
  getParentRoute: () => root,
  id: "frame",
  component: Frame,
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
  component: lazyRouteComponent(() => import("@/features/accounts/LoginPage"), "LoginPage"),
});

const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  beforeLoad: async () => {
    const { needs_setup } = await queryClient.query({ ...sessionQuery, staleTime: "static" });
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (!needs_setup) throw redirect({ to: "/", replace: true });
  },
  component: lazyRouteComponent(() => import("@/features/accounts/SetupPage"), "SetupPage"),
  errorComponent: PageError,
});

const chat = createRoute({
  getParentRoute: () => frame,
  path: "/",
  component: lazyRouteComponent(() => import("@/features/chat/ChatPage"), "ChatPage"),
});

const conversation = createRoute({
  getParentRoute: () => frame,
  path: "/c/$id",
  component: lazyRouteComponent(() => import("@/features/chat/ConversationPage"), "ConversationPage"),
});

const models = createRoute({
  getParentRoute: () => frame,
  path: "/models",
  component: lazyRouteComponent(() => import("@/features/models/ModelsPage"), "ModelsPage"),
});

const SettingsPage = lazyRouteComponent(() => import("@/features/accounts/SettingsPage"), "SettingsPage");
const settings = createRoute({ getParentRoute: () => frame, path: "/settings", component: SettingsPage });
const section = createRoute({
  getParentRoute: () => frame,
  path: "/settings/$section",
  component: SettingsPage,
});

export const router = createRouter({
  routeTree: root.addChildren([
    frame.addChildren([chat, conversation, models, settings, section]),
    login,
    setup,
  ]),
  basepath: BASE_PATH,
  defaultPreload: "intent",
  defaultErrorComponent: PageError,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
