/**
 * The words that lead the lists of leaked passwords, most used first (drawn from the lists of zxcvbn, MIT licence).
 * Few have twelve characters: people reach twelve by digits, repetition and substitutions, which `isCommon` undoes.
 */
const WORDS = `
password qwerty dragon baseball football monkey letmein shadow master mustang qwertyuiop superman qazwsx jordan
killer hunter harley zxcvbnm asdfgh buster batman soccer tigger charlie sunshine iloveyou ranger hockey computer
starwars pepper klaster zxcvbn freedom princess maggie ginger love cheese summer chelsea dallas biteme matrix
yankees corvette austin access thunder merlin secret diamond hello hammer silver gfhjkm internet samantha golfer
scooter test orange cookie maverick sparky phoenix mickey bigdog snoopy guitar whatever chicken camaro mercedes
peanut ferrari falcon cowboy welcome samsung steelers smokey dakota arsenal boomer eagles tigers marina nascar
gateway yellow porsche monster spider diablo hannah bulldog junior london purple compaq lakers iceman cowboys
money banana boston tennis coffee scooby nikita yamaha mother barney brandy chester oliver player forever
rangers midnight chicago bigdaddy redsox angel badboy fender jasper slayer rabbit natasha marine wizard marlboro
raiders prince casper fishing flower jasmine iwantu adidas winter winner gandalf enter ghbdtn golden cocacola
winston madison angels panther sophie asdfasdf toyota tiger canada muffin apples pokemon slipknot qazxsw
scorpion qwaszx startrek rainbow asdfghjkl razz newyork redskins gemini cameron qazwsxedc florida turtle sierra
viking booger doctor rocket dolphins captain bandit jaguar packers peaches asdf dolphin helpme blue theman
maxwell qwertyui lovers maddog giants nirvana metallic hotdog rosebud mountain warrior stupid elephant success
alexis lucky scorpio samson azerty driver freddy sydney gators dexter bubba creative voodoo golf trouble america
nissan gunner garfield asdfghjk apollo eminem legend airborne bear beavis apple brooklyn godzilla skippy buddy
qwert kitten magic shelby beaver phantom asdasd xavier braves darkness copper platinum qweqwe tomcat girls
bigboy animal police online voyager lifehack fish sniper trinity blazer heaven lover snowball loveme bubbles
cricket willow donkey topgun nintendo saturn destiny pakistan pumpkin digital sergey redwings explorer private
runner therock guinness lasvegas beatles fire cassie christin celtic andrey broncos babygirl eclipse fluffy
cartman michigan carolina testing alexande birdie pantera cherry vampire mexico buffalo genius montana beer
minecraft maximus flyers lovely stalker metallica doggie snickers speedy bronco paradise yankee horses magnum
dreams lacrosse enigma qwertyu scotty surfer genesis star qweasdzxc racing hawaii viper einstein drowssap simple
badger alaska action jester drummer spitfire forest maryjane champion diesel svetlana friday hotrod chevy
westside security google tester shorty hitman mozart reddog lizard ruslan eagle scarface buddha spirit stargate
naruto mercury liberty semperfi suzuki popcorn marley scotland kitty cherokee vikings simpsons rascal qweasd
hummer loveyou patches russia jupiter penguin passion vfhbyf honda vladimir sandman passport raider infinity
assman bulldogs fantasy horney domino budlight disney ironman softball brutus bigred mnbvcxz fktrcfylh karina
marines digger kawasaki cougar fireman oksana monday justice super wildcats tinker logitech dancer swordfis
avalon everton alexandr motorola patriots madonna ducati colorado connor juventus galore smooth freeuser
warcraft boogie wolverin elizabet arizona valentin saints asdfg accord christ yfnfif stinky spiderma naughty
chopper extreme skyline zombie pearljam froggy awesome vision pirate fylhtq dreamer bullet predator empire
kirill panthers skipper nemesis peekaboo rolltide cardinal psycho danger mookie chevelle manutd goblue hobbes
vegeta fyfcnfcbz picard windows loverboy victory vfrcbv bambam serega turkey tweety galina hiphop rooster
changeme berlin taurus polina electric avatar maksim raptor hendrix newport brazil spring madmax alpha britney
sublime darkside bigman wolfpack classic hercules ronaldo spiderman blizzard cheyenne cjkysirj wombat pandora
holiday wildcat devils horse alabama caesar pickle shaggy leather chronic admin airplane kodiak billybob sunset
katana phpbb chocolat snowman stingray firebird wolves zeppelin detroit pontiac gundam panzer outlaw redhead
tarheels greenday hardon engineer hellfire serenity cobra fireball darkstar flash strike beauty pavilion
bobafett dbrnjhbz bigmac bowling ytrewq natali pyramid rulez dodgers apache swimming whynot teens trooper
defender precious packard weasel popeye lucifer cancer icecream raven swordfish presario viktor rockstar blonde
wutang spike atlanta airforce thailand casino lennon mouse hacker bluebird hawkeye theone catfish sailor
goldfish nfnmzyf tattoo pervert barbie maxima machine trucks wrangler rocks tornado lights cadillac bubble
pegasus madman longhorn browns target eatme microsoft dilbert christia baller xfiles seattle qazqaz cthutq
amateur prelude corona freaky malibu assassin atlantis integra pussies iloveu lonewolf dragons unicorn software
bobcat stealth peewee openup srinivas zaqwsx valentina shotgun trigger veronika bruins coyote babydoll joker
dollar lestat hottie random smiley sweety snake chipper woody samurai devildog gizmo maddie mistress flipper
express hjvfirf moose cessna piglet polaris teacher montreal cookies wolfgang scully fatboy wicked tickle bunny
dfvgbh foobar transam pepsi basketba toshiba hotstuff sunday gambit impala stephani lancer knicks shamrock
stinger redneck deftones squirt siemens blaster trucker subaru renegade ibanez manson reaper blondie mylove
galaxy blahblah enterpri travel indiana skeeter sugar ficken smoke bigone sweetpea trfnthbyf marino escort
smitty bigfoot babes larisa trumpet spartan valera babylon asdfghj stormy mister hamlet aardvark marathon
paladin cavalier manchester skater indigo hornet buckeyes indians karate hesoyam toronto diamonds chiefs buckeye
highland charger redman passwor maiden drpepper storm garden pencil sherlock timber thuglife insane pizza jungle
aragorn hamster triumph techno lollol pioneer catdog fktrctq morpheus pascal hobbit consumer blabla justme
stones chrissy spartak goforit burger pitbull adgjmptw italia barcelona hunting colors kissme overlord pebbles
sundance emerald doggy racecar irina element zipper alpine basket goddess poison sakura chichi huskers ultimate
blackie nicola rommel caserta omega geronimo trojan philips nugget tarzan chicks aleksandr bassman trixie
portugal anakin dodger bomber superfly madness loser fatcat ybrbnf soldier warlock desire babe seminole alejandr
westham andrei concrete weed ladybug christop trombone tintin bluesky rhbcnbyf qazxswedc onelove cdtnkfyf
vfvjxrf stallion truck hansolo smiles beagle panama kingkong flatron inferno mongoose connect poiuyt snatch
qawsed juice blessed rocker snakes turbo bluemoon finger jamaica mulder beetle passat immortal plastic whiskey
dietcoke monitor cactus exigen planet ripper teen spyder nolimit hollywoo sticky trunks pickles sailing bonehead
ghbdtnbr delta charlott rubber yomama hongkong jumper faster unreal memphis nylons legion sebastia shalom
pentium geheim werewolf funtime ferret orion curious niners cantona sprite philly pirates abgrtyu lollipop
eternity boeing sweets cooldude tottenha jackoff stocking moomoo martini biscuit drizzt fossil makaveli snapper
maniac salmon patriot verbatim shasta asdzxc shaved blackcat raistlin punkrock cjkywt waterloo crimson twister
oxford musicman seinfeld biggie condor ravens megadeth wolfman cosmos sharks banshee keeper foxtrot skywalke
velvet sesame dogs squirrel privet sunrise wolverine legolas grendel ghost cats carrot frosty lvbnhbq blades
stardust frog qazwsxed coolio brownie groovy twilight daytona vanhalen mailcreated qazwsxedcrfv polniypizdec
sojdlgaljg leavemealone gfhjkmgfhjkm ghjcnjgfhjkm sonyericsson zxcasdqwe masterbating qwerasdfzxcv flvbybcnhfnjh
finalfantasy ghbdtnrfrltkf websolutions chickenwing justinbieber contortionist masturbation newproject
needforspeed businessbabe masterbaiting maurolarastefy domainlock dkflbvbhjdbx hdnwdevb qazwsxedcrfvtgb
dkflbvbhjdyf counterstrike zaqxswcde vfvfvskfhfve ghjcnjghjcnj fkmnthyfnbdf djivanfros qazxswedcvfr qwertyasdfgh
whosyourdaddy fktrcfylhjdyf fktrcfylhjdbx ghbdtnghbdtn vanyarespekt devilmaycry iseedeadpeople jamesbond
qwertyytrewq qwerasdf ghjcnjrdfibyj qawsedrf ptybnxtvgbjy mevefalkcakk playstation zqjphsyfctifgu hedimaptfcor
lhbjkjubz andrewjackie networkingpe christopher ingodwetrust installdevic digitalprodu boyuownnyc olcrackmaster
auckland residentevil qawsedrftgyh nemvxyheqddoqxyxyzi avrillavigne massimiliano nhfdvfnjkju gjkysqgbpltw
temppassword ticketmaster telemike stratocaster punksnotdead fynfyfyfhbde ghjcnjqgfhjkm nightcrawler
installsqlst frederiksberg sanfrancisco ghjcnjgbpltw lytghjgtnhjdcr schoolgirlie zaqwsxcderfv seemnemaailm
nhecsyfujkjdt qwaszxerdfcv antananarivu vfrcbvvfrcbv greenlantern passwordstandard corperfmonsy maprchem
warhammerk morganstanley cjdthitycndj bltynbabrfwbz stinkyfinger iampurehaha gtnhjpfdjlcr bpgjldsgjldthnf
rfnthbyf qawsedrftg nhfycajhvths msorcloledbr stickdaddy vfhbyfvfhbyf specialinsta michaeljackson webuivalidat
ilovemyfamily weihnachtsbau systemofadown vladimirovna amadeusptfcor websolutionssu mortalkombat paraklast
minnesotahp nondriversig ghjnbdjcnjzybt thecakeisalie fktrcfylhjdf ontheoutside zcfvfzkexifz sonnenschein
wazzkaprivet qwertasdfgzxcvb weihnachtsbaum`
	.trim()
	.split(/\s+/);

/** Neighbours in the alphabet, among the digits and on a keyboard; also read backwards. */
const ROWS = [
	"abcdefghijklmnopqrstuvwxyz",
	"01234567890123456789",
	"qwertyuiop",
	"qwertzuiop",
	"azertyuiop",
	"asdfghjkl",
	"zxcvbnm",
	"yxcvbnm",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm",
	"qazwsxedcrfvtgbyhnujm",
	"1q2w3e4r5t6y7u8i9o0p",
	"qweasdzxc",
	"!@#$%^&*()",
];
const RUNS = [...ROWS, ...ROWS.map(row => [...row].reverse().join(""))];

const LOOKALIKES: Readonly<Record<string, string>> = {
	"0": "o",
	"1": "i",
	"3": "e",
	"4": "a",
	"5": "s",
	"7": "t",
	"8": "b",
	"9": "g",
	"@": "a",
	$: "s",
	"!": "i",
};

const BY_FIRST_LETTER = Map.groupBy(WORDS, word => word[0] ?? "");

const MAX_PIECES = 4;
const MAX_WORDS = 2;
const MIN_RUN = 3;
const MAX_FILLER = 6;
const MIN_DISTINCT = 4;
const MAX_BLOCK = 4;

/** How many common words `isCommon` knows. */
export const WORD_COUNT = WORDS.length;

/**
 * Whether a password is one of those that are guessed first: a few signs over and over, or nothing but at most two
 * common words, keyboard and counting runs, repetitions, and up to six digits or signs between them.
 */
export function isCommon(password: string): boolean {
	const text = password.toLowerCase();
	if (new Set(text).size < MIN_DISTINCT || isRepeatedBlock(text)) return true;
	return isCovered(text, 0, MAX_PIECES, MAX_WORDS);
}

function isRepeatedBlock(text: string): boolean {
	for (let size = 1; size <= MAX_BLOCK; size++) {
		if (
			text ===
			text
				.slice(0, size)
				.repeat(Math.ceil(text.length / size))
				.slice(0, text.length)
		)
			return true;
	}
	return WORDS.some(word => text === word.repeat(text.length / word.length));
}

function isCovered(text: string, from: number, pieces: number, words: number): boolean {
	if (from === text.length) return true;
	if (pieces === 0) return false;
	const plain = Math.max(runAt(text, from), repetitionAt(text, from), fillerAt(text, from));
	if (plain > 0 && isCovered(text, from + plain, pieces - 1, words)) return true;
	return words > 0 && wordsAt(text, from).some(size => isCovered(text, from + size, pieces - 1, words - 1));
}

function runAt(text: string, from: number): number {
	let longest = 0;
	for (let size = MIN_RUN; from + size <= text.length; size++) {
		const part = text.slice(from, from + size);
		if (!RUNS.some(run => run.includes(part))) break;
		longest = size;
	}
	return longest;
}

function repetitionAt(text: string, from: number): number {
	let size = 1;
	while (text[from + size] === text[from]) size++;
	return size >= MIN_RUN ? size : 0;
}

function fillerAt(text: string, from: number): number {
	const { length } = /^[ -@[-`{-~]*/.exec(text.slice(from))?.[0] ?? "";
	return length <= MAX_FILLER ? length : 0;
}

/** The lengths of the common words that stand here, also with lookalikes such as `p4ssw0rd`. */
function wordsAt(text: string, from: number): number[] {
	const first = text[from] ?? "";
	const candidates = [first, LOOKALIKES[first] ?? ""].flatMap(letter => BY_FIRST_LETTER.get(letter) ?? []);
	return candidates.filter(word => isAt(word, text, from)).map(word => word.length);
}

function isAt(word: string, text: string, from: number): boolean {
	for (let i = 0; i < word.length; i++) {
		const sign = text[from + i] ?? "";
		if (sign !== word[i] && LOOKALIKES[sign] !== word[i]) return false;
	}
	return true;
}
