import { describe, expect, it } from "vitest";

import { newestLeaf, path } from "./tree";

const TREE = [
  { id: "1", parent_id: null },
  { id: "2", parent_id: "1" },
  { id: "3", parent_id: "2" },
  { id: "4", parent_id: "3" },
  { id: "5", parent_id: "1" },
  { id: "6", parent_id: null },
];

describe("path", () => {
  it("walks from the first message to the leaf and knows the alternatives", () => {
    const steps = path(TREE, "4");
    expect(steps.map(({ message }) => message.id)).toEqual(["1", "2", "3", "4"]);
    expect(steps[0]).toMatchObject({ siblings: ["1", "6"], index: 0 });
    expect(steps[1]).toMatchObject({ siblings: ["2", "5"], index: 0 });
  });

  it("takes the newest branch without a leaf, or with an unknown one", () => {
    expect(path(TREE, null).map(({ message }) => message.id)).toEqual(["6"]);
    expect(path(TREE, "gone").map(({ message }) => message.id)).toEqual(["6"]);
    expect(path([], null)).toEqual([]);
  });
});

describe("newestLeaf", () => {
  it("goes down the newest branch", () => {
    expect(newestLeaf(TREE, "1")).toBe("5");
    expect(newestLeaf(TREE, "2")).toBe("4");
    expect(newestLeaf(TREE, "4")).toBe("4");
    expect(newestLeaf([], null)).toBeNull();
  });
});
