import "@/ui/app.css";

import { i18n } from "@lingui/core";
import { I18nProvider } from "@lingui/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { under } from "@/api/base";
import { onSignedOut } from "@/api/client";
import { queryClient } from "@/api/queryClient";
import type { SessionState } from "@/api/types";
import { sessionQuery } from "@/features/accounts/session";
import { preferredLanguage, switchLanguage } from "@/i18n";
import { loadFirstPage, router } from "@/router";
import { ToastArea } from "@/ui/ToastArea";

// A session that ended elsewhere: the server says so at the next request, and the router leads to the door.
onSignedOut(() => {
  const state = queryClient.getQueryData<SessionState>(sessionQuery.queryKey);
  if (!state?.user) return;
  queryClient.setQueryData(sessionQuery.queryKey, { ...state, user: null });
  void router.invalidate();
});

// A page from before an update asks for files that are gone: the new page has new ones.
window.addEventListener("vite:preloadError", () => {
  fetch(under(""), { cache: "no-store" }).then(
    ({ ok }) => ok && window.location.reload(),
    () => undefined, // the server is away: the page says so
  );
});

/** Draw the page once everything it needs is here. (Not at the module's top: the page's parts wait for this module.) */
async function start(): Promise<void> {
  await Promise.all([switchLanguage(preferredLanguage()), loadFirstPage()]);
  const root = document.getElementById("root");
  if (!root) return;
  createRoot(root).render(
    <StrictMode>
      <I18nProvider i18n={i18n}>
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
          <ToastArea />
        </QueryClientProvider>
      </I18nProvider>
    </StrictMode>,
  );
}

void start();
