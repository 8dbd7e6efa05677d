import { type ComponentType, type FunctionComponent, use } from "react";

const FORGET_AFTER_MS = 2_000;

/**
 * A page that is loaded when it is first wanted. The router preloads it by `preload`.
 *
 * A failed load is told to the page's error boundary and tried anew afterwards. (The router's own helper reloads the
 * whole page instead, which is a browser's error page while the server is away.)
 */
export function lazyPage(
  load: () => Promise<ComponentType>,
): FunctionComponent & { preload: () => Promise<void> } {
  let loading: Promise<ComponentType> | null = null;
  let loaded: ComponentType | null = null;
  const get = () => {
    loading ??= load().then(
      (body) => (loaded = body),
      (error: unknown) => {
        setTimeout(() => (loading = null), FORGET_AFTER_MS);
        throw error;
      },
    );
    return loading;
  };
  function Page() {
    // What is here already is drawn at once: React holds back for 300 ms what a page waited for while it was drawn.
    const Body = loaded ?? use(get());
    return <Body />;
  }
  Page.preload = async () => {
    await get();
  };
  return Page;
}
