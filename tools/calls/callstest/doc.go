// Package callstest has what the tests of all transports share: a server with one tool for each way in
// which a handler can behave ([Tools]), a client ([Client]), and a transport inside the process
// ([InProcess]). [Guarantees] are the guarantees of package calls as tests.
package callstest
