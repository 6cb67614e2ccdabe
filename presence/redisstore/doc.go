// Package redisstore keeps presence in Redis 7.0 or newer, for any number of instances.
package redisstore
