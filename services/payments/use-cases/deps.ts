import type { PaymentRepository } from "../payments.repository.ts";
import type { PaymentProvider } from "./ports.ts";

export interface Deps {
	payments: PaymentRepository;
	/** @throws VALIDATION_ERROR for a method the shop does not take */
	providerOf(method: string): PaymentProvider;
	/** The provider was not to be reached for something that will be tried again. */
	onDelay(orderId: string, error: unknown): void;
	/** An event of this payment waits to be told. */
	onEvent(paymentId: string): void;
}

/** Fixed per logical step of an order: what makes a repeat after a crash move no money twice. */
export const keyOf = (orderId: string, step: "authorize" | "capture" | "void"): string => `${orderId}:${step}`;
