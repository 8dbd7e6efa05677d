import { create } from "zustand";

/** Which of the shell's own windows is open; on phones the sidebar is one of them. */
export type Window = "sidebar" | "palette" | "shortcuts";

export const useWindows = create<{
  window: Window | null;
  open: (window: Window) => void;
  close: () => void;
}>()((set) => ({
  window: null,
  open: (window) => set({ window }),
  close: () => set({ window: null }),
}));
