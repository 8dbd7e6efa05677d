import "@/ui/app.css";

import { i18n } from "@lingui/core";
import { I18nProvider } from "@lingui/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { queryClient } from "@/api/queryClient";
import { preferredLanguage, switchLanguage } from "@/i18n";
import { router } from "@/router";
import { ToastArea } from "@/ui/ToastArea";

await switchLanguage(preferredLanguage());

const root = document.getElementById("root");
if (root) {
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
