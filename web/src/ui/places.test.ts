import { describe, expect, it } from "vitest";

import { moved, placeByKey, placeUnder } from "./places";

const boxes = [
  { top: 0, height: 40 },
  { top: 40, height: 100 },
  { top: 140, height: 40 },
];

describe("the place under a pointer", () => {
  it("stays until it is past the middle of a neighbour", () => {
    expect(placeUnder(80, boxes, 0)).toBe(0);
    expect(placeUnder(91, boxes, 0)).toBe(1);
    expect(placeUnder(170, boxes, 0)).toBe(2);
    expect(placeUnder(500, boxes, 0)).toBe(2);
  });
  it("goes up in the same way", () => {
    expect(placeUnder(95, boxes, 2)).toBe(2);
    expect(placeUnder(85, boxes, 2)).toBe(1);
    expect(placeUnder(10, boxes, 2)).toBe(0);
    expect(placeUnder(-50, boxes, 2)).toBe(0);
  });
  it("does not swing back when a tall neighbour has changed places", () => {
    const after = [
      { top: 0, height: 100 },
      { top: 100, height: 40 },
      { top: 140, height: 40 },
    ];
    expect(placeUnder(91, after, 1)).toBe(1);
  });
});

it("keys move by one, or to an end", () => {
  expect([placeByKey("ArrowUp", 0, 3), placeByKey("ArrowUp", 2, 3)]).toEqual([0, 1]);
  expect([placeByKey("ArrowDown", 2, 3), placeByKey("ArrowDown", 0, 3)]).toEqual([2, 1]);
  expect([placeByKey("Home", 2, 3), placeByKey("End", 0, 3), placeByKey("a", 0, 3)]).toEqual([0, 2, null]);
});

it("what is moved is where it was moved to", () => {
  expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
  expect(moved(["a", "b", "c"], 1, 1)).toEqual(["a", "b", "c"]);
});
