import type { Money } from "../../../lib/money.ts";

/** How a provider answered. `pending` settles by webhook. */
export interface ProviderAnswer {
	status: "succeeded" | "declined" | "pending";
	chargeId: string;
	code?: string;
}

/** What a webhook tells, whichever provider sent it. */
export interface ProviderEvent {
	id: string;
	type: "charge.captured" | "charge.failed";
	orderId: string;
	chargeId: string;
}

/**
 * A payment provider. `key` is fixed per logical step, so a repeat under the same key moves no money twice. Methods
 * throw when the provider did not say what happened; CONFLICT when it says that this cannot be done.
 */
export interface PaymentProvider {
	authorize(charge: { orderId: string; amount: Money; token: string; key: string }): Promise<ProviderAnswer>;
	capture(charge: { orderId: string; amount: Money; chargeId: string; key: string }): Promise<ProviderAnswer>;
	void(charge: { orderId: string; chargeId: string; key: string }): Promise<ProviderAnswer>;
	refund(charge: { orderId: string; amount: Money; chargeId: string; key: string }): Promise<ProviderAnswer>;
	/** In lower case: the header that this provider signs its webhooks with. */
	readonly signatureHeader: string;
	/** Whether this body is the provider's, and fresh. @param signature the header's value, empty without one */
	isWebhookGenuine(body: Buffer, signature: string): boolean;
	/**
	 * What a genuine webhook tells; undefined for events that mean nothing to a shop: a provider has many, and more to come.
	 * @throws BAD_REQUEST for what is no event at all
	 */
	parseWebhook(body: Buffer): ProviderEvent | undefined;
}
