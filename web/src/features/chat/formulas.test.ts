import { describe, expect, it } from "vitest";

import { hasFormulas, normaliseFormulas } from "./formulas";

describe("normaliseFormulas", () => {
  it("rewrites the TeX brackets", () => {
    expect(normaliseFormulas("so \\(a+b\\) is")).toBe("so $a+b$ is");
    expect(normaliseFormulas("\\[x^2\\]").trim()).toBe("$$\nx^2\n$$");
  });

  it("displays a formula that has a line of its own", () => {
    expect(normaliseFormulas("so\n$$x^2$$\nand $$y$$.")).toBe("so\n\n$$\nx^2\n$$\n\nand $$y$$.");
  });

  it("leaves formulas and escapes money", () => {
    expect(normaliseFormulas("$x$ costs $5 and $10")).toBe("$x$ costs \\$5 and \\$10");
    expect(normaliseFormulas("between $5-$10")).toBe("between \\$5-\\$10");
    expect(hasFormulas("between $5 and $10")).toBe(false);
    expect(hasFormulas("the area is $\\pi r^2$.")).toBe(true);
  });

  it("does not look into code", () => {
    const code = "run `echo $HOME $PATH` and\n\n```sh\necho \\(a\\) $5\n```\n";
    expect(normaliseFormulas(code)).toBe(code);
    expect(normaliseFormulas("`a` $x$ `$b`")).toBe("`a` $x$ `$b`");
  });
});
