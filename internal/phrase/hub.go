package phrase

// NotLetIn says that the hub does not let this machine in, and what to do about it. Own says that the hub is a NATS server of one's
// own.
func NotLetIn(own bool) (problem, remedy string) {
	if own {
		return "the NATS server does not take the credentials", "see that their file is there and valid, or join with another"
	}
	return "the hub does not let this machine in: it is no member, or not any more", "huskies-mcp join with another invitation makes it a member"
}
