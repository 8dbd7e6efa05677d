import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { VirtualizerHandle } from "virtua";

/** Pixels from the end that still count as the end: for showing the button, and for holding on again. */
const NEAR = 64;
const AT = 8;
const UPWARD_KEYS = ["ArrowUp", "PageUp", "Home"];

/**
 * Keeps a list at its end while it grows, until the reader scrolls away; scrolling back to the end holds it again.
 *
 * Only what the reader does lets go, never a scroll position: positions also change as heights become known.
 */
export function useStickToEnd(count: number) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const virtualizer = useRef<VirtualizerHandle>(null);
  const held = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  const scrollToEnd = useCallback(() => {
    held.current = true;
    virtualizer.current?.scrollToIndex(count - 1, { align: "end" });
    requestAnimationFrame(() => scroller.current?.scrollTo({ top: scroller.current.scrollHeight }));
  }, [count]);

  // A new message is always brought into view: it is one's own, or the answer to it.
  useLayoutEffect(scrollToEnd, [scrollToEnd]);

  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    const listening = new AbortController();
    const { signal } = listening;
    const gap = () => element.scrollHeight - element.scrollTop - element.clientHeight;
    const release = () => {
      held.current = false;
    };
    const observer = new ResizeObserver(() => {
      if (held.current) element.scrollTop = element.scrollHeight;
      setAtEnd(held.current || gap() < NEAR);
    });
    observer.observe(inner);
    observer.observe(element);

    element.addEventListener("wheel", ({ deltaY }) => deltaY < 0 && release(), { passive: true, signal });
    element.addEventListener("touchmove", release, { passive: true, signal });
    element.addEventListener("touchend", () => (held.current ||= gap() < AT), { passive: true, signal });
    element.addEventListener("keydown", ({ key }) => UPWARD_KEYS.includes(key) && release(), { signal });
    // A press on the element itself is one on its scroll bar.
    element.addEventListener("pointerdown", ({ target }) => target === element && release(), { signal });
    let top = element.scrollTop;
    const onScroll = () => {
      if (gap() < AT && element.scrollTop > top) held.current = true;
      top = element.scrollTop;
      setAtEnd(held.current || gap() < NEAR);
    };
    element.addEventListener("scroll", onScroll, { passive: true, signal });
    return () => {
      listening.abort();
      observer.disconnect();
    };
  }, []);

  const toEnd = () => {
    setAtEnd(true);
    scrollToEnd();
  };
  const letGo = () => {
    held.current = false;
  };
  return { scroller, content, virtualizer, atEnd, toEnd, letGo };
}
