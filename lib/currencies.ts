/**
 * ISO 4217's active currencies, by the digits of their minor unit. A table of our own, because `Intl` gives the digits
 * people like to see (a forint without fillér, a rupiah without sen), which is no rule to store amounts by, and it may
 * change with any upgrade of Node. A spec holds the table to ISO's list.
 */
const BY_EXPONENT: readonly (readonly [exponent: number, codes: string])[] = [
	[0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
	[
		2,
		`AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY
		COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
		INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR
		MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
		STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
	],
	[3, "BHD IQD JOD KWD LYD OMR TND"],
	[4, "CLF UYW"],
];

/** Withdrawn by ISO, but amounts in them may still stand in orders: those stay readable and can be refunded. */
const WITHDRAWN: readonly (readonly [exponent: number, codes: string])[] = [[2, "ANG BGN CUC HRK SLL ZWL"]];

const table = (groups: typeof BY_EXPONENT): ReadonlyMap<string, number> =>
	new Map(groups.flatMap(([exponent, codes]) => codes.split(/\s+/).map(code => [code, exponent] as const)));

/**
 * What a price can be in, with its exponent. Not in it: metals, the units that banks count in (XDR, XSU, XUA, XAD) and
 * the codes for tests and for no currency, which have no minor unit.
 */
export const CURRENCIES = table(BY_EXPONENT);

const KNOWN = new Map([...CURRENCIES, ...table(WITHDRAWN)]);

/** Undefined for what never was a currency of this shop. */
export const knownExponent = (code: string): number | undefined => KNOWN.get(code);

/** A shop's, until it says otherwise. */
export const DEFAULT_CURRENCY = "EUR";
