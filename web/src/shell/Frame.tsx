import { Outlet } from "@tanstack/react-router";

/** The page's outer frame. */
export function Frame() {
  return (
    <main className="h-full">
      <Outlet />
    </main>
  );
}
