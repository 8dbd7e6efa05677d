import { create } from "zustand";

import { explain } from "./explain";

export interface Toast {
  id: number;
  text: string;
  look: "plain" | "error";
  action?: { label: string; run: () => void };
}

interface Toasts {
  shown: readonly Toast[];
  show: (toast: Omit<Toast, "id">, ms?: number) => number;
  dismiss: (id: number) => void;
}

let next = 1;

/** Short messages at the page's head, where they cover no input. They leave by themselves; an error stays twice as long. */
export const useToasts = create<Toasts>()((set, get) => ({
  shown: [],
  show: (toast, ms = toast.look === "error" ? 10_000 : 5_000) => {
    const id = next++;
    set({ shown: [...get().shown.slice(-2), { ...toast, id }] });
    setTimeout(() => get().dismiss(id), ms);
    return id;
  },
  dismiss: (id) => set({ shown: get().shown.filter((toast) => toast.id !== id) }),
}));

export function toast(text: string): void {
  useToasts.getState().show({ text, look: "plain" });
}

export function toastError(error: unknown): void {
  useToasts.getState().show({ text: explain(error), look: "error" });
}

/** Whether an event comes from a toast: a window behind it does not take that for a wish to be closed. */
export function isOfToast({ target }: Event): boolean {
  return target instanceof Element && target.closest("[data-toasts]") !== null;
}
