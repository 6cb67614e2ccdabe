import { useEffect, useId, useState, type ComponentPropsWithoutRef, type ReactElement } from 'react'
import type { Audience, Privacy } from '../api.gen.js'
import type { StatusWords, TypingWords } from '../format.js'
import {
  aboutText,
  AUDIENCES,
  COLOURS,
  dotLabel,
  lastTime,
  listed,
  PRIVACY_WORDS,
  seenText,
  SETTINGS,
  SHAPES,
  type DotStatus,
  type Listed,
  type PrivacyWords,
  type SeenWords,
} from '../show.js'
import { usePresence, usePresenceClient, useRoomPresence, useTypingIndicator } from './hooks.js'

/** A dot that shows a status by colour and shape, and says it to screen readers. */
export function StatusDot({
  status = 'unknown',
  stale = false,
  size = 10,
  words,
  ...rest
}: { status?: DotStatus | undefined; stale?: boolean | undefined; size?: number; words?: Partial<StatusWords> | undefined } & ComponentPropsWithoutRef<'svg'>): ReactElement {
  return (
    <svg className="presently-dot" width={size} height={size} viewBox="0 0 10 10" role="img" aria-label={dotLabel(status, stale, words)} data-status={status} data-stale={stale} {...rest}>
      <path d={SHAPES[status]} fill={COLOURS[status]} fillRule="evenodd" opacity={stale ? 0.5 : 1} />
    </svg>
  )
}

/** When somebody was last here, as long as he is not; it keeps up with the time. */
export function LastSeen({ userId, words }: { userId: string; words?: Partial<SeenWords> & Partial<StatusWords> }): ReactElement | null {
  const presence = usePresence(userId)
  const [, tick] = useState(0)
  const at = lastTime(presence)
  useEffect(() => {
    if (!at) return undefined
    const timer = setInterval(() => tick((n) => n + 1), 60_000)
    return () => clearInterval(timer)
  }, [at])
  const text = seenText(presence, words)
  if (!text) return null
  return at ? (
    <time className="presently-last-seen" dateTime={at}>
      {text}
    </time>
  ) : (
    <span className="presently-last-seen">{text}</span>
  )
}

/** A user: his dot, name, what he says of himself or does, and when he was last here. */
export function UserPresence({ userId, name, showLastSeen = true }: { userId: string; name?: string | undefined; showLastSeen?: boolean }): ReactElement {
  const presence = usePresence(userId)
  const about = aboutText(presence)
  return (
    <span className="presently-user" data-status={presence?.status ?? 'unknown'} data-stale={presence?.stale ?? false}>
      <StatusDot status={presence?.status} stale={presence?.stale} /> <bdi className="presently-name">{name ?? presence?.profile?.name ?? userId}</bdi>
      {about && (
        <>
          {' '}
          <bdi className="presently-about">{about}</bdi>
        </>
      )}
      {showLastSeen && lastTime(presence) && (
        <>
          {' '}
          <LastSeen userId={userId} />
        </>
      )}
    </span>
  )
}

/** Who types, as a sentence that screen readers hear. */
export function TypingIndicator({ room, threadId, words }: { room: string; threadId?: string; words?: Partial<TypingWords> }): ReactElement {
  const { text } = useTypingIndicator(room, { ...(threadId !== undefined && { threadId }), ...(words && { words }) })
  // There even when it is empty: what is to be read out must be in a region that was there before.
  return (
    <span className="presently-typing" role="status" aria-live="polite">
      <bdi>{text}</bdi>
    </span>
  )
}

/** People and how they stand: those given, or those in a room. */
export function UserList({ users, room, label = 'People', showLastSeen = true }: { users?: readonly Listed[]; room?: string; label?: string; showLastSeen?: boolean }): ReactElement {
  const { onlineUsers } = useRoomPresence(users ? null : room)
  return (
    <ul className="presently-list" aria-label={label}>
      {(users ?? onlineUsers).map(listed).map(({ id, name, avatar }) => (
        <li key={id}>
          {avatar && <img src={avatar} alt="" width={24} height={24} />} <UserPresence userId={id} name={name} showLastSeen={showLastSeen} />
        </li>
      ))}
    </ul>
  )
}

/** Who may see what of the user; each change is saved at once. */
export function PrivacySettings({ words, onChange }: { words?: Partial<PrivacyWords>; onChange?: (privacy: Privacy) => void }): ReactElement {
  const client = usePresenceClient()
  const id = useId()
  const [privacy, setPrivacy] = useState<Privacy | null>(null)
  const [problem, setProblem] = useState<'' | 'failed' | 'unavailable'>('')
  const w = { ...PRIVACY_WORDS, ...words }
  useEffect(() => {
    let here = true
    client.getPrivacy().then(
      (privacy) => here && setPrivacy(privacy),
      () => here && setProblem('unavailable'),
    )
    return () => {
      here = false
    }
  }, [client])
  const save = async (setting: keyof Privacy, audience: Audience) => {
    const before = privacy
    setProblem('')
    setPrivacy((now) => now && { ...now, [setting]: audience })
    try {
      const saved = await client.setPrivacy({ [setting]: audience })
      setPrivacy(saved)
      onChange?.(saved)
    } catch {
      setPrivacy(before)
      setProblem('failed')
    }
  }
  return (
    <fieldset className="presently-privacy" aria-busy={!privacy}>
      <legend>{w.legend}</legend>
      {SETTINGS.map((setting) => (
        <div key={setting}>
          <label htmlFor={id + setting}>{w[setting]}</label>{' '}
          <select id={id + setting} value={privacy?.[setting] ?? ''} disabled={!privacy} onChange={(event) => void save(setting, event.target.value as Audience)}>
            {!privacy && <option value="" />}
            {AUDIENCES.map((audience) => (
              <option key={audience} value={audience}>
                {w[audience]}
              </option>
            ))}
          </select>
        </div>
      ))}
      <p role="alert">{problem && w[problem]}</p>
    </fieldset>
  )
}
