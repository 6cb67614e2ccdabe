import { computed, defineComponent, h, onMounted, onScopeDispose, ref, shallowRef, watch, type PropType } from 'vue'
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
import { usePresence, usePresenceClient, useRoomPresence, useTypingIndicator } from './composables.js'

let ids = 0

/** A dot that shows a status by colour and shape, and says it to screen readers. */
export const StatusDot = defineComponent({
  name: 'StatusDot',
  props: {
    status: { type: String as PropType<DotStatus>, default: 'unknown' },
    stale: Boolean,
    size: { type: Number, default: 10 },
    words: Object as PropType<Partial<StatusWords>>,
  },
  setup: (props) => () =>
    h(
      'svg',
      {
        class: 'presently-dot',
        width: props.size,
        height: props.size,
        viewBox: '0 0 10 10',
        role: 'img',
        'aria-label': dotLabel(props.status, props.stale, props.words),
        'data-status': props.status,
        'data-stale': String(props.stale),
      },
      [h('path', { d: SHAPES[props.status], fill: COLOURS[props.status], 'fill-rule': 'evenodd', opacity: props.stale ? 0.5 : 1 })],
    ),
})

/** When somebody was last here, as long as he is not; it keeps up with the time. */
export const LastSeen = defineComponent({
  name: 'LastSeen',
  props: { userId: { type: String, required: true }, words: Object as PropType<Partial<SeenWords> & Partial<StatusWords>> },
  setup(props) {
    const presence = usePresence(() => props.userId)
    const at = computed(() => lastTime(presence.value))
    const tick = ref(0)
    let timer: ReturnType<typeof setInterval> | undefined
    onMounted(() =>
      watch(
        at,
        (at) => {
          clearInterval(timer)
          timer = at ? setInterval(() => tick.value++, 60_000) : undefined
        },
        { immediate: true },
      ),
    )
    onScopeDispose(() => clearInterval(timer))
    return () => {
      void tick.value
      const text = seenText(presence.value, props.words)
      return text ? h(at.value ? 'time' : 'span', { class: 'presently-last-seen', ...(at.value && { datetime: at.value }) }, text) : null
    }
  },
})

/** A user: his dot, name, what he says of himself or does, and when he was last here. */
export const UserPresence = defineComponent({
  name: 'UserPresence',
  props: { userId: { type: String, required: true }, name: String, showLastSeen: { type: Boolean, default: true } },
  setup(props) {
    const presence = usePresence(() => props.userId)
    return () => {
      const view = presence.value
      const about = aboutText(view)
      return h('span', { class: 'presently-user', 'data-status': view?.status ?? 'unknown', 'data-stale': String(view?.stale ?? false) }, [
        h(StatusDot, { status: view?.status ?? 'unknown', stale: view?.stale ?? false }),
        ' ',
        h('bdi', { class: 'presently-name' }, props.name ?? view?.profile?.name ?? props.userId),
        ...(about ? [' ', h('bdi', { class: 'presently-about' }, about)] : []),
        ...(props.showLastSeen && lastTime(view) ? [' ', h(LastSeen, { userId: props.userId })] : []),
      ])
    }
  },
})

/** Who types, as a sentence that screen readers hear. */
export const TypingIndicator = defineComponent({
  name: 'TypingIndicator',
  props: { room: { type: String, required: true }, threadId: String, words: Object as PropType<Partial<TypingWords>> },
  setup(props) {
    const { text } = useTypingIndicator(() => props.room, { threadId: () => props.threadId, ...(props.words && { words: props.words }) })
    // There even when it is empty: what is to be read out must be in a region that was there before.
    return () => h('span', { class: 'presently-typing', role: 'status', 'aria-live': 'polite' }, [h('bdi', text.value)])
  },
})

/** People and how they stand: those given, or those in a room. */
export const UserList = defineComponent({
  name: 'UserList',
  props: {
    users: Array as PropType<readonly Listed[]>,
    room: String,
    label: { type: String, default: 'People' },
    showLastSeen: { type: Boolean, default: true },
  },
  setup(props) {
    const { onlineUsers } = useRoomPresence(() => (props.users ? null : props.room))
    return () =>
      h(
        'ul',
        { class: 'presently-list', 'aria-label': props.label },
        (props.users ?? onlineUsers.value).map(listed).map(({ id, name, avatar }) =>
          h('li', { key: id }, [
            ...(avatar ? [h('img', { src: avatar, alt: '', width: 24, height: 24 }), ' '] : []),
            h(UserPresence, { userId: id, ...(name !== undefined && { name }), showLastSeen: props.showLastSeen }),
          ]),
        ),
      )
  },
})

/** Who may see what of the user; each change is saved at once. */
export const PrivacySettings = defineComponent({
  name: 'PrivacySettings',
  props: { words: Object as PropType<Partial<PrivacyWords>> },
  emits: { change: (_privacy: Privacy) => true },
  setup(props, { emit }) {
    const client = usePresenceClient()
    const id = `presently-${++ids}-`
    const privacy = shallowRef<Privacy | null>(null)
    const problem = ref<'' | 'failed' | 'unavailable'>('')
    onMounted(() =>
      client.getPrivacy().then(
        (now) => (privacy.value = now),
        () => (problem.value = 'unavailable'),
      ),
    )
    const save = async (setting: keyof Privacy, audience: Audience) => {
      const before = privacy.value
      problem.value = ''
      privacy.value = before && { ...before, [setting]: audience }
      try {
        privacy.value = await client.setPrivacy({ [setting]: audience })
        emit('change', privacy.value)
      } catch {
        privacy.value = before
        problem.value = 'failed'
      }
    }
    return () => {
      const w = { ...PRIVACY_WORDS, ...props.words }
      return h('fieldset', { class: 'presently-privacy', 'aria-busy': !privacy.value }, [
        h('legend', w.legend),
        ...SETTINGS.map((setting) =>
          h('div', { key: setting }, [
            h('label', { for: id + setting }, w[setting]),
            ' ',
            h(
              'select',
              {
                id: id + setting,
                value: privacy.value?.[setting] ?? '',
                disabled: !privacy.value,
                onChange: (event: Event) => void save(setting, (event.target as HTMLSelectElement).value as Audience),
              },
              [...(privacy.value ? [] : [h('option', { value: '' })]), ...AUDIENCES.map((audience) => h('option', { key: audience, value: audience }, w[audience]))],
            ),
          ]),
        ),
        h('p', { role: 'alert' }, problem.value && w[problem.value]),
      ])
    }
  },
})
