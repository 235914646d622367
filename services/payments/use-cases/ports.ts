import type { Money } from "../../../lib/money.ts";

/** How a provider answered. `pending` settles later: by webhook, and whoever asks `find` learns it too. */
export interface ProviderAnswer {
	status: "succeeded" | "declined" | "pending";
	chargeId: string;
	code?: string;
}

/** What stands of a charge at its provider. */
export interface ProviderCharge {
	chargeId: string | null;
	/** `open`: may still become money by itself. `held`: authorised. `ended`: neither. */
	state: "open" | "held" | "captured" | "ended";
	/** In minor units. */
	captured: number;
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
	/**
	 * Ends the charge that was or will be made under `authorizeKey`: an authorisation that is still on its way must find
	 * its end. Never refused: the answer says what stands after it. A provider that cannot forbid a key it has not seen
	 * answers `open` until it is certain.
	 */
	void(charge: { orderId: string; amount: Money; authorizeKey: string; key: string }): Promise<ProviderCharge>;
	refund(charge: { orderId: string; amount: Money; chargeId: string; key: string }): Promise<ProviderAnswer>;
	/** What became of the charge of this key; null when the provider has never seen it. */
	find(charge: { orderId: string; authorizeKey: string }): Promise<ProviderCharge | null>;
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
