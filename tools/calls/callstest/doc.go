// Package callstest has what the tests of all transports share: a server with one tool for each way in
// which a handler can behave ([Tools]), a client ([Client]), a transport inside the process
// ([InProcess]), and the guarantees of package calls as tests ([Guarantees]).
package callstest
