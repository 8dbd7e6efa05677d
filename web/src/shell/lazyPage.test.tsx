import { render, screen } from "@testing-library/react";
import { Suspense } from "react";
import { expect, it } from "vitest";

import { lazyPage } from "./lazyPage";

it("draws a page that has been preloaded at once", async () => {
  const Page = lazyPage(() => Promise.resolve(() => <p>the page</p>));
  await Page.preload();
  render(
    <Suspense fallback="waiting">
      <Page />
    </Suspense>,
  );
  expect(screen.getByText("the page")).toBeTruthy();
});
