import type { Action, ListParams, Page } from "../../lib/contracts.ts";

export interface Delivery {
	id: string;
	eventId: string;
	template: string;
	channel: "email";
	messageId: string;
	status: "sending" | "sent" | "failed";
	attempts: number;
	lastError: string | null;
	createdAt: string;
	sentAt: string | null;
}

export interface NotificationsActions {
	/** The delivery log, newest first. */
	"notifications.list": Action<Pick<ListParams, "limit" | "cursor"> & { status?: Delivery["status"] }, Page<Delivery>>;
}

declare module "../../lib/contracts.ts" {
	interface ActionContracts extends NotificationsActions {}
}
