import { useLingui } from "@lingui/react/macro";
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";

import { copyText } from "./clipboard";
import { IconButton, type IconButtonProps } from "./IconButton";
import { toastError } from "./toasts";

export interface CopyButtonProps extends Omit<IconButtonProps, "icon" | "onClick" | "label"> {
  label?: string;
  /** The text, or how to get it when asked. */
  text: string | (() => string);
}

/** Copies a text and says so for a moment. */
export function CopyButton({ text, label, ...rest }: CopyButtonProps) {
  const { t } = useLingui();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <IconButton
      {...rest}
      label={copied ? t`Copied` : (label ?? t`Copy`)}
      icon={copied ? <Check size={16} /> : <Copy size={16} />}
      onClick={() => {
        copyText(typeof text === "string" ? text : text()).then(() => setCopied(true), toastError);
      }}
    />
  );
}
