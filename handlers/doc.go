// Package handlers is all that Presently says over HTTP: the operations of the contract, the stream, and who may ask for what.
//
// # Model
//
// A request passes the middleware (request id, CORS), the generated route, [Server.authorize], its rate, and reaches an operation: a method of
// [Server] that decodes, asks the presence.Tracker, and encodes. Whatever goes wrong on the way is an error that meets the client once, in
// problem.go.
//
// For streams, a feed stands between the presence.Board, which says whose record has changed, and the sse.Hub, which says who watches:
// it makes one frame for each class of viewers that is watching, and none for nobody.
//
// A request is an exchange: what is noted of it on the way becomes one line of the log, and counts in the metrics. Between authorize and
// the operation stand the rates, in limit.go.
//
// The package knows no store, and keeps nothing that another instance would miss.
package handlers
