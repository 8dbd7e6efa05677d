import { BASE_PATH } from "@/api/base";

/** What one tab tells the others of this browser: a conversation changed, came or went. */
const tabs = new BroadcastChannel(`inglenook ${BASE_PATH}`);

export function tellTabs(conversationId: string): void {
  tabs.postMessage(conversationId);
}

/** Be told what other tabs changed. */
export function onTold(listener: (conversationId: string) => void): void {
  tabs.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    if (typeof data === "string") listener(data);
  });
}
