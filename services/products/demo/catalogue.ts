/**
 * The demo shop: Brookside Home & Trail, a small department store that exists nowhere else. Prices in hundredths of the
 * shop's currency; where that has no hundredths, as they are: 49.50 francs, 4,950 yen.
 * A product is `[title, brand, price, stock, description]`; one with options is sold in one variant for each of them.
 */
export interface DemoProduct {
	title: string;
	brand: string;
	price: number;
	stock: number;
	description: string;
	option?: { name: string; values: readonly { value: string; price?: number; stock?: number }[] };
	compareAt?: number;
}

export interface DemoCategory {
	slug: string;
	title: string;
	/** Two letters that begin the SKUs of its products. */
	code?: string;
	products?: readonly DemoProduct[];
	children?: readonly DemoCategory[];
}

const p = (title: string, brand: string, price: number, stock: number, description: string): DemoProduct => ({
	title,
	brand,
	price,
	stock,
	description,
});

const sizes = (...values: string[]) => ({ name: "size", values: values.map(value => ({ value })) });
const colours = (...values: string[]) => ({ name: "colour", values: values.map(value => ({ value })) });

export const DEMO_CATEGORIES: readonly DemoCategory[] = [
	{
		slug: "kitchen",
		title: "Kitchen",
		children: [
			{
				slug: "cookware",
				title: "Cookware",
				code: "CW",
				products: [
					{
						...p("Cast iron skillet", "Ferrum & Daughters", 4_490, 34, "Pre-seasoned, heavy, and good for a lifetime."),
						option: {
							name: "diameter",
							values: [{ value: "20 cm", price: 3_490 }, { value: "26 cm" }, { value: "30 cm", price: 5_690 }],
						},
					},
					p(
						"Enamel Dutch oven, 5 l",
						"Ferrum & Daughters",
						11_900,
						12,
						"For stews, bread, and everything that takes its time.",
					),
					p("Copper saucepan, 1.5 l", "Kupferhaus", 8_950, 8, "Heats evenly and answers at once."),
					p("Steel stockpot, 10 l", "Kupferhaus", 7_400, 17, "With a sandwich base and a lid that pours."),
					p("Carbon steel wok", "Long Lane", 3_950, 26, "Thin, hot, light enough to toss."),
					p("Stoneware baking dish", "Ferrum & Daughters", 3_790, 32, "From the freezer to the oven to the table."),
					p("Bamboo steamer, two tiers", "Long Lane", 1_890, 41, "Fits a 24 cm pot; lined with paper it stays clean."),
				],
			},
			{
				slug: "knives",
				title: "Knives & boards",
				code: "KN",
				products: [
					p("Chef's knife, 20 cm", "Halden", 9_900, 22, "Forged, full tang, sharpened by hand to 15 degrees."),
					p("Paring knife, 9 cm", "Halden", 3_490, 48, "For everything that fits in a palm."),
					p("Bread knife, 24 cm", "Halden", 6_290, 19, "Long waves that cut the crust, not crumble it."),
					p("Walnut cutting board", "Oak & Tally", 5_400, 15, "End grain, oiled, with a groove for the juice."),
					p("Kitchen scissors", "Halden", 2_690, 38, "Come apart for washing; open bottles, too."),
					p("Sharpening stone 1000/6000", "Halden", 4_200, 4, "Two grits and a base that does not slip."),
				],
			},
			{
				slug: "coffee-tea",
				title: "Coffee & tea",
				code: "CT",
				products: [
					p(
						"Hand coffee grinder",
						"Millrace",
						7_990,
						27,
						"Steel burrs, forty steps, quiet enough for six in the morning.",
					),
					p("Pour-over dripper", "Millrace", 2_450, 53, "Porcelain, for one cup or two."),
					{
						...p("Stovetop espresso pot", "Vesuvia", 2_990, 31, "Aluminium, as it always was."),
						option: {
							name: "cups",
							values: [{ value: "3" }, { value: "6", price: 3_690 }, { value: "9", price: 4_490, stock: 3 }],
						},
					},
					p("Gooseneck kettle, 0.9 l", "Millrace", 5_600, 14, "Pours a thread as thin as you like."),
					p("Cast iron teapot", "Long Lane", 4_890, 9, "Keeps a litre warm for an hour; enamelled inside."),
					p("Loose leaf tea tin, set of 3", "Long Lane", 1_650, 60, "Tight lids, labels to write on."),
				],
			},
		],
	},
	{
		slug: "living",
		title: "Living",
		children: [
			{
				slug: "lamps",
				title: "Lamps",
				code: "LA",
				products: [
					{
						...p("Arc reading lamp", "Lumen Works", 12_900, 11, "A long arm, a warm light, a dimmer at the base."),
						option: colours("brass", "black"),
					},
					p("Clip desk lamp", "Lumen Works", 3_990, 37, "Holds on to shelves, headboards and music stands."),
					p("Paper pendant, 45 cm", "Washi", 2_790, 25, "Mulberry paper on a bamboo frame; folds flat."),
					p("Bedside globe lamp", "Washi", 4_450, 18, "Opal glass that glows and never glares."),
					p("Rechargeable table lamp", "Lumen Works", 6_900, 0, "Forty hours on one charge, indoors and out."),
				],
			},
			{
				slug: "textiles",
				title: "Textiles",
				code: "TX",
				products: [
					{
						...p("Linen bedding set", "Fjordlin", 14_900, 16, "Stonewashed flax that gets softer every year."),
						option: sizes("single", "double", "king"),
						compareAt: 17_900,
					},
					{
						...p("Wool throw, 140 × 200", "Fjordlin", 8_900, 21, "Lambswool, woven where it was spun."),
						option: colours("moss", "rust", "night"),
					},
					p("Waffle towel, 70 × 140", "Fjordlin", 2_950, 64, "Dries you, then itself."),
					p("Cotton rug, 120 × 180", "Patio", 9_900, 7, "Flat-woven, reversible, washable at 30 °C."),
					p("Feather cushion, 50 × 50", "Patio", 2_290, 45, "Plump, heavy, and easy to punch back into shape."),
				],
			},
			{
				slug: "storage",
				title: "Storage",
				code: "ST",
				products: [
					p("Seagrass basket", "Patio", 3_150, 33, "For blankets, toys, or the cat."),
					p("Oak wall shelf, 80 cm", "Oak & Tally", 6_450, 13, "Hidden brackets; holds twelve kilos of books."),
					p("Tin letter box", "Oak & Tally", 3_800, 20, "Powder-coated, with two keys."),
					p("Umbrella stand", "Patio", 4_990, 8, "Terracotta, with a zinc tray for the drips."),
					p(
						"Stacking crate, set of 2",
						"Oak & Tally",
						4_250,
						29,
						"Beech ply; becomes a bench, a shelf, a bedside table.",
					),
				],
			},
		],
	},
	{
		slug: "outdoor",
		title: "Outdoor",
		children: [
			{
				slug: "camping",
				title: "Camping",
				code: "CA",
				products: [
					{
						...p("Ridge tent", "Tarn", 28_900, 9, "Two doors, four seasons, one person to pitch it."),
						option: {
							name: "sleeps",
							values: [{ value: "2" }, { value: "3", price: 34_900, stock: 5 }],
						},
					},
					p("Down sleeping bag, −5 °C", "Tarn", 21_900, 12, "820 g, hydrophobic down, a zip that does not bite."),
					p("Inflatable mat", "Tarn", 9_900, 24, "7 cm high, R-value 4, packs to the size of a bottle."),
					p("Gas stove", "Cinder", 4_490, 38, "86 g, boils half a litre in three minutes."),
					p("Titanium pot, 0.75 l", "Cinder", 5_200, 16, "With a lid, a pouring lip and folding handles."),
					p("Folding camp chair", "Tarn", 6_450, 20, "Ash and canvas; sits low, by the fire."),
					p("Head torch, 400 lm", "Cinder", 3_950, 52, "Red light for maps, white light for everything else."),
				],
			},
			{
				slug: "packs",
				title: "Packs & bags",
				code: "PK",
				products: [
					{
						...p("Day pack, 22 l", "Tarn", 8_900, 28, "One big pocket, two small ones, no dangling straps."),
						option: colours("slate", "ochre"),
					},
					p("Trekking pack, 55 l", "Tarn", 18_900, 10, "An adjustable back and a hip belt with real pockets."),
					p("Waxed canvas duffel", "Harbour Mill", 13_900, 14, "Water runs off; age looks good on it."),
					p("Roll-top dry bag, 13 l", "Harbour Mill", 2_690, 57, "Welded seams, a window to see the socks."),
					p("Bicycle pannier", "Harbour Mill", 7_490, 5, "Clicks on with one hand, waterproof up to the brim."),
				],
			},
			{
				slug: "clothing",
				title: "Clothing",
				code: "CL",
				products: [
					{
						...p("Merino base layer", "Fellside", 7_900, 18, "190 g merino that forgives three days in a row."),
						option: sizes("S", "M", "L", "XL"),
					},
					{
						...p("Rain jacket", "Fellside", 19_900, 9, "Three layers, taped seams, a hood that turns with you."),
						option: sizes("S", "M", "L"),
					},
					{
						...p("Walking socks, 2 pairs", "Fellside", 2_490, 40, "Merino and nylon, cushioned where boots rub."),
						option: sizes("36–39", "40–43", "44–47"),
					},
					p("Wool beanie", "Fellside", 2_890, 35, "Fisherman's rib; stays on in the wind."),
				],
			},
		],
	},
	{
		slug: "workshop",
		title: "Workshop & garden",
		children: [
			{
				slug: "hand-tools",
				title: "Hand tools",
				code: "HT",
				products: [
					p("Claw hammer, 450 g", "Anvil Row", 3_290, 30, "Hickory handle, forged head, balanced for a long day."),
					p("Japanese pull saw", "Anvil Row", 4_150, 17, "Cuts on the pull, so the blade can be this thin."),
					p("Block plane", "Anvil Row", 8_450, 6, "Low angle, for end grain and sharp corners taken off."),
					p("Chisel set, 4 pieces", "Anvil Row", 9_800, 11, "6, 12, 18 and 25 mm, in a canvas roll."),
					p("Screwdriver with 12 bits", "Anvil Row", 2_790, 44, "The bits live in the handle."),
				],
			},
			{
				slug: "garden",
				title: "Garden",
				code: "GA",
				products: [
					p("Bypass secateurs", "Hedgerow", 4_690, 23, "Replaceable blade, and a spring you can find again."),
					p("Copper trowel", "Hedgerow", 3_850, 19, "Slides through clay and never rusts."),
					p("Zinc watering can, 9 l", "Hedgerow", 5_950, 13, "A long spout and a rose that rains gently."),
					p("Terracotta pot, 28 cm", "Patio", 2_150, 36, "Frost-proof, with a saucer."),
					p("Seed box with 12 packets", "Hedgerow", 2_990, 0, "A kitchen garden's first year, in order of sowing."),
				],
			},
			{
				slug: "stationery",
				title: "Desk & paper",
				code: "DP",
				products: [
					{
						...p("Notebook A5, 192 pages", "Foolscap", 1_690, 70, "Lies flat; paper that fountain pens like."),
						option: { name: "ruling", values: [{ value: "plain" }, { value: "lined" }, { value: "dotted" }] },
					},
					p("Brass mechanical pencil", "Foolscap", 3_400, 26, "0.7 mm, heavy in the hand."),
					p("Fountain pen, medium nib", "Foolscap", 5_900, 15, "Takes cartridges or the converter in the box."),
					p("Wall calendar, linen", "Foolscap", 2_250, 31, "Twelve prints by twelve printers."),
					p("Felt desk mat", "Foolscap", 3_250, 22, "Wool felt, 80 × 35 cm, quiet under a keyboard."),
				],
			},
		],
	},
];
