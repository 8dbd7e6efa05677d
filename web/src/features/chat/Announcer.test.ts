import { expect, it } from "vitest";

import { EMPTY_ANSWER } from "./answer";
import { type Read, readOn } from "./Announcer";
import { append, NO_BLOCKS } from "./blocks";

it("reads every block once, the last one at the end", () => {
  let read: Read = { run: null, blocks: 0, text: "" };
  const heard: string[] = [];
  const listen = (text: string, ended = false) => {
    const live = {
      answer: { ...EMPTY_ANSWER, text, ended },
      blocks: append(NO_BLOCKS, text),
      connected: true,
    };
    const next = readOn(read, "run", live, "writing");
    if (next !== read) heard.push(next.text);
    read = next;
  };
  listen("");
  listen("# On");
  listen("# One\n\n**two** two\n");
  listen("# One\n\n**two** two\n\nthree\n\n[four](x)");
  listen("# One\n\n**two** two\n\nthree\n\n[four](x)", true);
  listen("# One\n\n**two** two\n\nthree\n\n[four](x)", true);
  expect(heard.map((text) => text.replace(/\s+/g, " "))).toEqual(["writing", "One", "two two", "three four"]);
});

it("begins anew with another run", () => {
  const read = { run: "first", blocks: 3, text: "the end" };
  expect(readOn(read, "second", undefined, "writing")).toEqual({ run: "second", blocks: 0, text: "writing" });
});
