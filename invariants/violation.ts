/** One broken promise: which, of what, and how it shows. */
export interface Violation {
	invariant: "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10" | "I11" | "I12" | "I14";
	/** The id of the SKU, order, payment, cart or event it is about. */
	subject: string;
	message: string;
}

export type Tell = (invariant: Violation["invariant"], subject: string, message: string) => void;
