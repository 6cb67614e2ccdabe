# Sourced in this directory: installs the pinned npm packages where they are missing.
if ! cmp -s package-lock.json node_modules/.presently-lock; then
	npm ci --no-fund --no-audit --ignore-scripts >&2
	cp package-lock.json node_modules/.presently-lock
fi
