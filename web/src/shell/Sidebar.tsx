import { useLingui } from "@lingui/react/macro";
import { Link, useNavigate } from "@tanstack/react-router";
import { Search, SquarePen } from "lucide-react";

import { ConversationList } from "@/features/conversations/ConversationList";
import { IconButton } from "@/ui/IconButton";
import { Logo } from "@/ui/Logo";

import { AccountMenu } from "./AccountMenu";
import { Navigation } from "./Navigation";
import { useWindows } from "./windows";

/** Where one can go: pages, conversations, one's account. */
export function Sidebar() {
  const { t } = useLingui();
  const navigate = useNavigate();
  const { open, close } = useWindows();
  return (
    <>
      <div className="flex h-14 items-center gap-1 pr-2 pl-4">
        <Link to="/" onClick={close} className="flex min-w-0 flex-1 items-center gap-2 rounded font-semibold">
          <Logo size={22} />
          Inglenook
        </Link>
        <IconButton label={t`Search and go to`} icon={<Search size={18} />} onClick={() => open("palette")} />
        <IconButton
          label={t`New chat`}
          tip="end"
          icon={<SquarePen size={18} />}
          onClick={() => {
            close();
            void navigate({ to: "/" });
          }}
        />
      </div>
      <Navigation />
      <ConversationList />
      <AccountMenu />
    </>
  );
}
