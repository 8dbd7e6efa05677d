import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { VirtualizerHandle } from "virtua";

const NEAR = 64;

/**
 * Keeps a list at its end while it grows, until the reader scrolls away; scrolling back to the end holds it again.
 */
export function useStickToEnd(count: number) {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const virtualizer = useRef<VirtualizerHandle>(null);
  const held = useRef(true);
  const [atEnd, setAtEnd] = useState(true);

  // A new message of one's own is always brought into view.
  useLayoutEffect(() => {
    held.current = true;
    virtualizer.current?.scrollToIndex(count - 1, { align: "end" });
  }, [count]);

  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    const gap = () => element.scrollHeight - element.scrollTop - element.clientHeight;
    const observer = new ResizeObserver(() => {
      if (held.current) element.scrollTop = element.scrollHeight;
      else setAtEnd(gap() < NEAR);
    });
    observer.observe(inner);
    observer.observe(element);
    let top = element.scrollTop;
    const onScroll = () => {
      const near = gap() < NEAR;
      if (near && element.scrollTop >= top) held.current = true;
      else if (element.scrollTop < top - 1) held.current = false;
      top = element.scrollTop;
      setAtEnd(near || held.current);
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, []);

  const toEnd = () => {
    held.current = true;
    setAtEnd(true);
    virtualizer.current?.scrollToIndex(count - 1, { align: "end" });
  };
  return { scroller, content, virtualizer, atEnd, toEnd };
}
