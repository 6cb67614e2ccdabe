// Package e2e tries Presently as those do who run it: real processes, real Redis servers, real curl. It holds tests alone.
//
// TestMain builds the program once, with the race detector if the tests have it. Each test starts the instances that it needs on ports of
// their own, with settings that make time short, and a Redis of its own, which it may freeze, empty or kill. When a test ends its instances
// are asked to stop: one that does not end well, or whose log has a data race or a panic, fails the test.
//
// Every answer and every event is held against openapi.yaml on its way (internal/contract), and every stream against two promises: the rev
// of a user only grows, and nothing is sent that looks like what was sent before.
//
// Tests wait for events, never for time to pass. What must not come is shown not to have come by something later that did: see
// quiet in stream_test.go.
//
// What must be so when things go wrong is tried by faults_test.go on a stage (stage_test.go): people and watchers of package chaos, who go on while something
// is killed, frozen, cut off or emptied, and its checker, which holds all that was seen against all that was done. Each fault is one entry of a table; the
// soak (soak_test.go) draws from the same table. They take minutes and all of the machine, so they have a build tag of their own, and run after all other tests:
// make faults. The long form, make soak (soak_plan_test.go), has a tag of its own, too.
//
// What Presently costs is measured by the same means, when asked for: go test ./e2e -run xxx -bench Figures -benchtime 1x
package e2e
