/** One broken promise: which, of what, and how it shows. */
export interface Violation {
	invariant: "I1" | "I2" | "I3" | "I4" | "I5" | "I8" | "I10" | "I11" | "I12";
	/** The id of the SKU, order, payment, cart or event it is about. */
	subject: string;
	message: string;
}
