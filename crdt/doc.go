// Package crdt is the replicated state of a pipeline of stories: signed ops,
// and the document that applying them gives. Replicas that applied the same
// ops have the same document, whatever order the ops came in.
//
// An op is one signed, immutable change to one story. Its author is the
// Ed25519 key of the replica that wrote it. Its parents are the ops that the
// author had and that no other op it had names as parent: the author's heads.
// So ops form a graph linked by hashes. Its seq is its Lamport time. An op
// whose parents are not all here is pending.
//
// The package does no I/O and knows neither clock nor randomness. This comment
// specifies the format; limits.go has every bound with its reason.
//
// # Payload
//
// The payload of an op is one CBOR map (RFC 8949) with these keys:
//
//	1 version  unsigned  2 if there is a fence, else 1
//	2 author   bytes     32: an Ed25519 public key (RFC 8032)
//	3 seq      unsigned  1 to 2^53-1
//	4 parents  array     at most 16 op IDs of 32 bytes, ascending, distinct; default none
//	5 story    text      a story ID: ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$
//	6 edits    array     1 to 256 maps, see below
//	7 agent    text      at most 128 bytes: who asked; default ""
//	8 at       unsigned  at most 2^53-1: the author's clock, ms since 1970; default 0
//	9 creates  true      the author knew of no such story; anything else says nothing,
//	                     as does the key to builds that do not know it
//	10 fence   array     epoch and revision, each 1 to 2^53-1; only in version 2, in which it must be
//
// It has at most 64 KiB. At decides nothing: it is for people. An edit is a
// map with these keys:
//
//	1 kind     unsigned  1 set, 2 inc, 3 dep, 4 note, 5 place; greater: unknown here; not 0
//	2 field    text      1 to 64 bytes                     set, inc
//	3 value    set: text, true, false, or an integer of at most 2^53-1 in size
//	           dep: true adds the dependency, false removes it
//	           note: text of 1 to 16384 bytes
//	4 by       unsigned  1 to 2^20                         inc
//	5 base     bytes     32, not all zero: an op ID
//	           inc: the op whose set it adds to; default: the initial 0
//	           place: the op whose place edit made the element that the story
//	           now follows
//	6 number   unsigned  0 to 2^32-1                       dep
//	7 anchor   text      place: the story ID whose own element (of a story that
//	                     no op has placed) the story now follows
//	8 over     bytes     set: 8, the beginning of the ID of the op whose value it overwrites,
//	                     not all zero; or none: there was no value. Anything else says
//	                     nothing, as does the key to builds that do not know it
//
// An inc may have a base. A place has base or anchor or neither, which is the
// start of the list. A set may have over. Otherwise an edit has all the keys of its
// kind, and it never has another of the keys 2 to 7. An edit of an unknown kind may have anything under
// every key but kind. Two edits of one op never change the same thing: one field
// or one dependency number; and an op has at most one note and one place.
//
// The encoding is deterministic (RFC 8949, section 4.2.1): shortest integers
// and lengths, definite lengths, map keys in bytewise order and only once. Map
// keys are text or integers from -2^63 to 2^63-1. Text is valid UTF-8 and never
// normalized. There are no floats, no tags, no null, no undefined and no other
// simple values than false and true. Maps have at most 64 pairs, arrays 256
// elements, and they nest at most 8 deep, the payload's map counted. All this
// also holds under unknown keys and in edits of unknown kinds.
//
// # ID and signature
//
//	id        = SHA-256(payload)
//	signature = Ed25519(author's key, "huskies-op-v1\n" || id)
//
// The \n is one newline byte and || joins. The bytes before the id separate op
// signatures from all other uses of the key. The payload is stored and sent as
// it was signed; nobody re-encodes it to check it. The id does not cover the
// signature: one op may have several valid ones and stays one op.
//
// # Example
//
// This op is signed with the secret key of RFC 8032, section 7.1, TEST 1. Its
// payload in CBOR diagnostic notation:
//
//	{1: 1,
//	 2: h'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
//	 3: 1,
//	 4: [],
//	 5: "10_story_add_login",
//	 6: [{1: 1, 2: "stage", 3: "1_backlog"},
//	     {1: 1, 2: "blocked", 3: false},
//	     {1: 2, 2: "retry_count", 4: 1},
//	     {1: 3, 3: true, 6: 7}],
//	 7: "coder-1",
//	 8: 1767225600000}
//
// The same in hex, with its id and signature:
//
//	payload    a80101025820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af02
//	           1a68f707511a03010480057231305f73746f72795f6164645f6c6f67696e0684
//	           a30101026573746167650369315f6261636b6c6f67a301010267626c6f636b65
//	           6403f4a30102026b72657472795f636f756e740401a3010303f506070767636f
//	           6465722d31081b0000019b76daa800
//	id         3e468cc2f0288abfd3779acf70dc58d8a8b1bf09e1a6210deba989f5dd940aa9
//	signature  ba69bfc2f710a042e0a7e5b42fb3218e491f09ad31df76a37f8a3c2ff8c382ff
//	           c29d50d0ffad536ef61f63f45de1528e0f536b4f5e147a3a462fcb915a81e301
//
// # Admission
//
// [Verify] admits an op by what can be said of it alone, so every replica
// admits the same ops:
//
//   - The version is known. This comes before every other question of shape.
//   - The shape is the one above, and the encoding is the deterministic one.
//   - The author and the first half of the signature are canonical encodings of
//     points that are not of small order, and the signature is valid by RFC
//     8032, section 5.1.7, without the cofactor, S below the group's order
//     (Chalkias et al. 2020, "Taming the many EdDSAs").
//
// [Doc.Apply] refuses what breaks a rule of the document, for ever:
//
//   - A set or an inc fits the type that the [Schema] declares for its field. To
//     a field that earlier builds did not declare, one that does not fit merges
//     as nothing instead.
//   - When the parents are here: seq is 1 + the greatest seq among them, and 1
//     without parents (Lamport 1978). Nobody can claim a clock ahead of what it
//     saw. An author may claim to have seen less than it did; that gains
//     nothing but losing ties.
//
// What builds on a refused op stays pending for ever.
//
// A document may be given a list of trusted authors. An op of anybody else is
// held: it stands in the graph, so that what names it as a parent can be
// applied, but its edits are not merged, it is no head, and what it names
// stays one. Replicas with different lists show different pipelines; the list
// is each replica's own. To change it is to build the document anew.
//
// # Merge
//
// Every rule below is commutative, associative and idempotent, for hostile ops
// too. An op's edits are merged together. Stories with one ID are one story.
//
//   - Register: the last write wins, by greater seq, then lower author, then
//     lower op ID (Shapiro et al. 2011, "A comprehensive study of Convergent
//     and Commutative Replicated Data Types", section 3.2.1). Two ops signed
//     at one seq by one author are ordered too, so equivocation converges.
//   - Fenced register: the fields that say who has a story. The write with the greater
//     [Fence] wins, by epoch, then by revision; of equal ones that which the rule of
//     registers says. An op of version 1 has the least fence.
//   - Creation: the ops with creates are counted, and the two that come first by
//     greater seq, then lower author, then lower op ID are kept. Two of them were
//     made apart, since an author that had one would not have created the story.
//   - Counter: its sets are a register. The value is that of the winning set
//     plus every inc whose base is the op of that set, or plus every inc
//     without base if there was no set. Incs made apart on one base all count.
//     A set that wins voids incs on other bases. An inc on an op that does not
//     set the counter never counts.
//   - Dependencies: one register of true or false for each number.
//   - Notes: a set that only grows, in the order of writes, the greatest last.
//   - Order: every place edit is an element of one replicated list of stories,
//     named by its op, and a child of the element it was put behind (RGA: Roh
//     et al. 2011, "Replicated abstract data types", section 4). Siblings stand
//     greatest seq first, then greater author, then greater op ID; the list is
//     the walk through the tree from its root. A story stands at the element
//     of its winning place edit, by the rule of registers, so concurrent moves
//     leave it at one place (Kleppmann 2020, "Moving elements in list CRDTs").
//     A place edit takes part once the element it names is in the list; one
//     that names no element, or one whose seq is not below its own, never
//     does. A story without such an edit stands at an element of its own that
//     needs no op: a child of the root with seq 0, so behind all others, and
//     among its like in the order of [CompareStoryIDs].
//   - Deletion: the register "deleted". A deleted story keeps merging and stays
//     deleted until a later write sets the register false.
//
// A story comes into being with the first op that names it, whatever the op
// writes. Which fields make it visible is for the caller.
//
// # Pending ops
//
// A pending op waits in memory until an Apply brings the last of its parents;
// that Apply returns it in [Result]. [Doc.Admit] is asked before an op from
// elsewhere is stored. Its bounds on what is pending or held, per author and
// in total, keep strangers from filling memory and disk: beyond them the op is
// refused for now and may be sent again. A trusted author's op whose parents
// are here is never refused by them, nor is what a trusted author's op waits
// for; ops of others take no room from trusted ones. What was stored is never
// dropped: Apply knows no such bounds.
//
// # Evolution
//
// Unknown payload keys, edit kinds, edit keys and fields are kept in the stored
// bytes and merge as nothing. See [EditKind] for the rules by which the format
// grows. What an older build must not ignore needs a new version.
//
// # Concurrency
//
// A [Doc] and its stories are for one goroutine at a time. Ops are immutable
// once Sign, Verify or Decode returned them and may be shared. The functions
// may be called from any goroutine.
package crdt
