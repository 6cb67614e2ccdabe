module github.com/presently/presently/deploy/webhook-receiver/go

go 1.24
