interface MarkdownNode {
  type: string;
  value?: string;
  children?: MarkdownNode[];
}

/**
 * Markdown plugin: HTML in an answer is shown as the text it is, so that "use a <div>" stays readable.
 *
 * Line breaks, which models put into tables, are breaks; comments vanish.
 */
export function htmlAsText() {
  return (root: MarkdownNode): void => rewrite(root, true);
}

function rewrite(node: MarkdownNode, isBlock: boolean): void {
  if (!node.children) return;
  node.children = node.children.flatMap((child) => {
    if (child.type !== "html") {
      rewrite(child, isBlock && ["blockquote", "list", "listItem"].includes(child.type));
      return [child];
    }
    const value = child.value ?? "";
    if (/^<!--[\s\S]*-->$/.test(value)) return [];
    if (/^<br\s*\/?>$/i.test(value) && !isBlock) return [{ type: "break" }];
    const text = { type: "text", value };
    return [isBlock ? { type: "paragraph", children: [text] } : text];
  });
}
