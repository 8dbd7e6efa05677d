import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
} from "@tanstack/react-router";

import { BASE_PATH } from "@/api/base";
import { Frame } from "@/shell/Frame";
import { NotFound } from "@/shell/NotFound";

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const frame = createRoute({ getParentRoute: () => root, id: "frame", component: Frame });

const chat = createRoute({
  getParentRoute: () => frame,
  path: "/",
  component: lazyRouteComponent(() => import("@/features/chat/ChatPage"), "ChatPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([frame.addChildren([chat])]),
  basepath: BASE_PATH,
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
