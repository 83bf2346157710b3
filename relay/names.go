package relay

import (
	"encoding/base32"
	"io"
	"strings"
	"time"
)

// Encoding is base32 without padding, in lower case: what names are made of.
var Encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// PipelineIDLen is the length of a pipeline's ID: 13 characters of base32 are 65 bits.
const PipelineIDLen = 13

// IsPipelineID reports whether the text can be a pipeline's ID.
func IsPipelineID(text string) bool {
	return len(text) == PipelineIDLen && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// StreamName is the name of a pipeline's stream of ops.
func StreamName(pipeline string) string { return "HK_" + strings.ToUpper(pipeline) + "_OPS" }

// OpSubjects matches the subjects of all ops of a pipeline.
func OpSubjects(pipeline string) string { return "hk." + pipeline + ".op.>" }

// allSubjects matches the subjects of all messages of a pipeline's stream of ops.
func allSubjects(pipeline string) string { return "hk." + pipeline + ".>" }

// OwnSubjects matches the subjects that an author publishes ops to.
func OwnSubjects(pipeline, author string) string { return "hk." + pipeline + ".op." + author + ".*" }

// OpSubject is where a database publishes ops.
func OpSubject(pipeline, author, replica string) string {
	return "hk." + pipeline + ".op." + author + "." + replica
}

// MembersSubject is where ops about members are published. They are read before all others.
func MembersSubject(pipeline string) string { return "hk." + pipeline + ".members" }

// WaitingSubject is where an admin asks the hub who waits to be accepted.
func WaitingSubject(pipeline string) string { return "hk." + pipeline + ".waiting" }

// WantSubject is where a machine names ops that it misses.
func WantSubject(pipeline, author string) string { return "hk." + pipeline + ".want." + author }

// PassedWantSubject is where the hub passes on what an author misses.
func PassedWantSubject(pipeline, author string) string { return "hk." + pipeline + ".wanted." + author }

// JoinSubject is where somebody who was invited asks to be a member.
func JoinSubject(pipeline string) string { return "hk." + pipeline + ".join" }

// InboxPrefix is under which the answers to a member come, by its transport key. Others cannot read them.
func InboxPrefix(transport string) string { return "_INBOX_" + transport }

// Bounds of the stream.
const (
	// MaxMessage is the greatest payload of an op, its signature, and what headers take.
	MaxMessage = 64<<10 + 1024
	// DuplicateWindow is how long the hub knows the IDs of messages, so that one that is sent again is not
	// stored again.
	DuplicateWindow = 2 * time.Minute
)

// newReplicaName draws the last part of a subject.
func newReplicaName(rand io.Reader) (string, error) {
	var b [10]byte
	_, err := io.ReadFull(rand, b[:])
	return Encoding.EncodeToString(b[:]), err
}

// ClaimStreamName is the name of a pipeline's stream of reservations.
func ClaimStreamName(pipeline string) string { return "HK_" + strings.ToUpper(pipeline) + "_CLAIMS" }

// ClaimSubjects matches the subjects of all reservations of a pipeline.
func ClaimSubjects(pipeline string) string { return claimPrefix(pipeline) + ">" }

// ClaimSubject is where a story is reserved. A story's ID may have dots, which part subjects.
func ClaimSubject(pipeline, story string) string {
	return claimPrefix(pipeline) + Encoding.EncodeToString([]byte(story))
}

// StartSubject is where the hub says that it begins, in the stream of reservations.
func StartSubject(pipeline string) string { return "hk." + pipeline + ".start" }

func claimPrefix(pipeline string) string { return "hk." + pipeline + ".claim." }

// storyOf returns the story of a reservation's subject.
func storyOf(pipeline, subject string) (string, bool) {
	encoded, ok := strings.CutPrefix(subject, claimPrefix(pipeline))
	if !ok {
		return "", false
	}
	story, err := Encoding.DecodeString(encoded)
	return string(story), err == nil
}
